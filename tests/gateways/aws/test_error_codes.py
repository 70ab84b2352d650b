"""Each error code of AWS has its meaning: none that a call of ours may be answered with is left out."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import botocore.session
import pytest
from botocore import xform_name

from gateways.aws.error_codes import ANSWERS, OURS, PASSES, REMEDIES, WAITS, Meaning, meaning_of, remedy

pytestmark = pytest.mark.fast

ROOM = Path(__file__).parents[3] / "gateways" / "aws"
SERVICES = ("dynamodb", "kms", "s3", "secretsmanager", "sqs")
SHARED = (
    "AccessDenied AccessDeniedException ExpiredTokenException IncompleteSignature InternalFailure InternalServerError"
    " InvalidClientTokenId InvalidSignatureException MissingAuthenticationToken NotAuthorized OptInRequired RequestExpired"
    " ServiceUnavailable SlowDown ThrottlingException UnrecognizedClientException ValidationError ValidationException"
)
"""What every service may answer, which no model declares: from the pages of common errors."""
REASONS = (
    "ItemCollectionSizeLimitExceeded ProvisionedThroughputExceeded ThrottlingError TransactionConflict ValidationError"
    " AccessDenied"
)
"""Why a transaction may have been cancelled, beside a condition."""


def names_in(room: Path) -> set[str]:
    """Every attribute and every text in the room's code: the calls to AWS are among them."""
    found = set()
    for path in room.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def called() -> Iterator[tuple[str, str]]:
    """(service, operation) of all that the adapters may ask."""
    names = names_in(ROOM)
    for service in SERVICES:
        model = botocore.session.get_session().get_service_model(service)
        yield from ((service, each) for each in model.operation_names if xform_name(each) in names)


def declared() -> dict[str, tuple[str, str]]:
    """Error code -> a call that may be answered with it."""
    found = {}
    for service, operation in called():
        model = botocore.session.get_session().get_service_model(service).operation_model(operation)
        found |= {shape.error_code: (service, operation) for shape in model.error_shapes}
    return found


def unlisted(codes: set[str]) -> set[str]:
    return {code for code in codes if meaning_of(code) is None}


def test_the_calls_are_found() -> None:
    """Those that every deposit and every payout makes, at least."""
    assert {
        ("sqs", "SendMessageBatch"),
        ("sqs", "ReceiveMessage"),
        ("sqs", "ChangeMessageVisibilityBatch"),
        ("dynamodb", "TransactWriteItems"),
        ("dynamodb", "BatchWriteItem"),
        ("kms", "Sign"),
        ("kms", "ListKeys"),
        ("secretsmanager", "GetSecretValue"),
        ("s3", "ListObjectsV2"),
    } <= set(called())


def test_every_code_that_a_call_may_be_answered_with_is_listed() -> None:
    """By botocore's own models, and of what all services share."""
    codes = declared()
    assert len(codes) > 60
    assert {code: codes.get(code, "shared") for code in unlisted({*codes, *SHARED.split(), *REASONS.split()})} == {}


def test_a_code_has_one_meaning() -> None:
    """No two lists have the same one."""
    lists = [PASSES, WAITS, ANSWERS, OURS, frozenset(REMEDIES)]
    assert sum(map(len, lists)) == len(frozenset().union(*lists))
    assert {meaning_of(code) for code in frozenset().union(*lists)} == set(get_args(Meaning))


@pytest.mark.parametrize("code", ["KMSInvalidStateException", "RequestThrottled", "TransactionCanceledException"])
def test_without_its_line_a_code_is_found_missing(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk through the models names it."""
    monkeypatch.delitem(REMEDIES, code, raising=False)  # type: ignore[misc]
    for name in ("PASSES", "ANSWERS"):
        monkeypatch.setattr(f"gateways.aws.error_codes.{name}", globals()[name] - {code})
    assert unlisted(set(declared())) == {code}


def test_what_a_person_mends_says_how() -> None:
    """Each of the operator's codes; and one that nobody knows says that it is none of ours."""
    assert all(remedy(code).startswith(" (") for code in REMEDIES)
    assert "does not know" in remedy("NobodyKnowsException")
    assert remedy("ThrottlingException") == ""
