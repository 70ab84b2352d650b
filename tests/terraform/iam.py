"""What AWS would answer: policies read as IAM reads them, as far as ours go. An operator that ours do not use is an error."""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

Context = Mapping[str, str | Sequence[str]]
Policy = Mapping[str, Any]


class Request(NamedTuple):
    """Who asks for what, on what, and what is known of the asking."""

    principal: str
    action: str
    resource: str
    context: Context = MappingProxyType({})


def allowed(request: Request, *, identity: Sequence[Policy] = (), resource: Policy | None = None) -> bool:
    """A denial anywhere wins. Then what the resource's own policy gives, to the principal or, through the account, to whom its
    identity policies give it; without a policy of the resource's own, the identity policies alone.
    """
    own = [each for policy in identity for each in _statements(policy) if _matches(each, request, principal=None)]
    its = [] if resource is None else [*_statements(resource)]
    met = [each for each in its if _matches(each, request, principal=request.principal)]
    if any(each["Effect"] == "Deny" for each in [*own, *met]):
        return False
    if any(each["Effect"] == "Allow" for each in met):
        return True
    if not any(each["Effect"] == "Allow" for each in own):
        return False
    if not request.action.startswith("kms:"):
        return True
    root = re.sub(r"^(arn:aws:iam::\d+:).*", r"\1root", request.principal)
    return any(each["Effect"] == "Allow" and _matches(each, request, principal=root) for each in its)


def _statements(policy: Policy) -> Iterable[Mapping[str, Any]]:
    return _listed(policy["Statement"])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _matches(statement: Mapping[str, Any], request: Request, *, principal: str | None) -> bool:
    if principal is not None and not _is_one_of(statement["Principal"], principal):
        return False
    if not any(_like(pattern, request.action, ignore_case=True) for pattern in _listed(statement["Action"])):
        return False
    if "NotResource" in statement:
        if any(_like(pattern, request.resource) for pattern in _listed(statement["NotResource"])):
            return False
    elif not any(_like(pattern, request.resource) for pattern in _listed(statement["Resource"])):
        return False
    context = {"aws:PrincipalArn": request.principal, **request.context}
    return all(
        _holds(operator, key, _listed(values), context)
        for operator, tests in statement.get("Condition", {}).items()
        for key, values in tests.items()
    )


def _is_one_of(principals: Any, principal: str) -> bool:
    if principals == "*":
        return True
    return any(each in ("*", principal) for each in _listed(principals.get("AWS", [])))


def _like(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.IGNORECASE if ignore_case else 0) is not None


def _holds(operator: str, key: str, values: list[str], context: Context) -> bool:
    given = context.get(key)
    name, _, base = operator.rpartition(":")
    if name == "ForAnyValue":
        return any(_compare(base, value, values) for value in _listed_of(given))
    if name == "ForAllValues":
        return all(_compare(base, value, values) for value in _listed_of(given))
    if given is None:
        # A missing key fails what must equal and meets what must not, or need only equal if it exists.
        return base.endswith("IfExists") or "Not" in base
    (value,) = _listed_of(given)
    return _compare(base.removesuffix("IfExists"), value, values)


def _listed_of(given: str | Sequence[str] | None) -> list[str]:
    if given is None:
        return []
    return [given] if isinstance(given, str) else list(given)


def _compare(operator: str, value: str, wanted: list[str]) -> bool:
    match operator:
        case "StringEquals" | "Bool":
            return value in wanted
        case "StringEqualsIgnoreCase":
            return value.lower() in [each.lower() for each in wanted]
        case "StringNotEquals":
            return value not in wanted
        case "StringLike" | "ArnLike" | "ArnEquals":
            return any(_like(each, value) for each in wanted)
        case "ArnNotEquals":
            return not any(_like(each, value) for each in wanted)
        case "NumericLessThan":
            return all(float(value) < float(each) for each in wanted)
        case _:
            raise AssertionError(f"this reader of policies does not know {operator}")
