"""JSON as a payment API must read it: no duplicate field, no NaN, no float, no control character, no deep nesting.

A decimal or exponent becomes `NotInteger`, which no field accepts, so that the refusal names its field.
"""

import json
import re
from typing import Any, Final

DEPTH_MAX: Final = 16
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line separators, text-direction overrides and lone surrogates: none belongs in a name."""

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
"""One that does not end goes on to the end."""
_BRACKET: Final = re.compile(rb"[\[\]{}]")


class InvalidJson(ValueError):
    """The text is refused; `pointer` is the place, "" for the whole, and `malformed` says that it is no JSON at all."""

    def __init__(self, detail: str, pointer: str = "", *, malformed: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        self.malformed = malformed


class NotInteger:
    """A JSON number with a fraction or exponent, as it was written."""

    def __init__(self, text: str) -> None:
        self.text = text


class _Pairs(dict[str, Any]):
    """An object; `repeated` is the first field that came twice."""

    repeated: str | None = None


def parse(body: bytes) -> Any:
    """Bytes -> dict, list, str, int, bool, None or NotInteger. Raises InvalidJson."""
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX:
        _check_depth(body)
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_pairs,
            parse_float=NotInteger,
            parse_constant=_refuse_constant,
        )
    except InvalidJson:
        raise
    except UnicodeDecodeError:
        raise InvalidJson("it is not UTF-8", malformed=True) from None
    except json.JSONDecodeError as error:
        raise InvalidJson(f"{error.msg} at character {error.pos}", malformed=True) from None
    except ValueError:  # an integer of thousands of digits
        raise InvalidJson("it holds a number with too many digits", malformed=True) from None
    _check(value, "")
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> _Pairs:
    fields = _Pairs(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        fields.repeated = next(name for name in names if names.count(name) > 1)
    return fields


def _refuse_constant(text: str) -> Any:
    raise InvalidJson(f"{text} is no JSON number", malformed=True)


def _check_depth(body: bytes) -> None:
    """Before parsing, so that the parser never recurses deeper than this."""
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEPTH_MAX:
            raise InvalidJson(f"it is nested deeper than {DEPTH_MAX} levels", malformed=True)


def is_clean(text: str) -> bool:
    """False for text with a control character, a line separator, a direction override or a lone surrogate."""
    return _FORBIDDEN.search(text) is None


def _check(value: Any, pointer: str) -> None:
    if isinstance(value, str):
        if not is_clean(value):
            raise InvalidJson("holds a control character, a lone surrogate or a text-direction override", pointer)
    elif isinstance(value, _Pairs):
        if value.repeated is not None:
            raise InvalidJson("is given twice", f"{pointer}/{escape(value.repeated)}")
        for name, item in value.items():
            if not is_clean(name):
                raise InvalidJson("has a field whose name holds a control character", pointer)
            _check(item, f"{pointer}/{escape(name)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, f"{pointer}/{index}")


def escape(name: str) -> str:
    """A field name as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
