"""What java-tron's reader of JSON takes for a message, and its words for what it does not take.

A request is read twice: by a JSON library, which wants an object, and then token by token into the call's message. The
second reading refuses numbers in quotes, fractions and hex that is none, also in fields that the message does not have.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from core.tron.protobuf import Field, Message
from gateways.devnet.http.parsing import NULL_POINTER, BadRequest, base58, hex_of, illegal_character
from gateways.devnet.http.rendering import ADDRESS_FIELDS, ENUMS, TEXT_FIELDS

PARSE_EXCEPTION: Final = "org.tron.core.services.http.JsonFormat$ParseException"
_TOKEN: Final = re.compile(
    r"""[a-zA-Z_][0-9a-zA-Z_+-]*|[.]?[0-9+-][0-9a-zA-Z_.+-]*|"([^"\n\\]|\\.)*("|\\?$)|'([^'\n\\]|\\.)*('|\\?$)|.""",
    re.MULTILINE | re.DOTALL,
)
_SPACE: Final = re.compile(r"(\s|#.*$)*", re.MULTILINE)
_IDENTIFIER: Final = re.compile(r'[a-zA-Z0-9_."]*')
_INT64: Final = range(-(2**63), 2**63)
_ENUM_NAMES: Final = {"resource": "protocol.ResourceCode", "type": "protocol.Permission.PermissionType"}


def object_of(text: str) -> dict[str, Any]:
    """The first reading: a JSON object. Raises BadRequest; {} for no text at all, of which the second one complains."""
    if not text.strip():
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise BadRequest("syntax error", "com.alibaba.fastjson.JSONException") from None
    if value is None:
        raise BadRequest(_null("containsKey(Object)", 2), NULL_POINTER)
    if not isinstance(value, dict):
        raise BadRequest("can not cast to JSONObject.", "com.alibaba.fastjson.JSONException")
    return value


def nothing(method: str, local: int) -> BadRequest:
    """What a call that reads no message says of an empty body."""
    return BadRequest(_null(method, local), NULL_POINTER)


def _null(method: str, local: int) -> str:
    return f'Cannot invoke "com.alibaba.fastjson.JSONObject.{method}" because "<local{local}>" is null'


def check(text: str, message: Message, *, visible: bool) -> None:
    """The second reading. Raises BadRequest with java-tron's words and the place."""
    tokens = _Tokens(text, visible=visible)
    tokens.consume("{")
    while not tokens.take("}"):
        if not tokens.current:
            raise tokens.refused('Expected "}".')
        _fields(tokens, message)


def message_of(body: Mapping[str, Any], message: Message) -> dict[str, Any]:
    """The object with what the second reading makes of it: the last of a list where one value is meant."""
    value = dict(body)
    for name, item in body.items():
        field = message.by_name.get(name)
        if field is not None and not field.repeated and isinstance(item, list):
            value[name] = item[-1] if item else None
    return value


class _Tokens:
    """The tokens of a text, one looked at; `refused` says where it stands, `passed` where the one before it stood."""

    def __init__(self, text: str, *, visible: bool) -> None:
        self.visible = visible
        self._text = text
        self._at = self._before = 0
        self._next = _behind_space(text, 0)
        self.current = ""
        self.advance()

    def advance(self) -> None:
        self._before, self._at = self._at, self._next
        found = _TOKEN.match(self._text, self._at)
        self.current = found.group() if found else ""
        self._next = _behind_space(self._text, self._at + len(self.current))

    def take(self, token: str) -> bool:
        if self.current != token:
            return False
        self.advance()
        return True

    def consume(self, token: str) -> None:
        if not self.take(token):
            raise self.refused(f'Expected "{token}".')

    def identifier(self) -> str:
        good = _IDENTIFIER.match(self.current)
        assert good is not None
        if good.end() < len(self.current):
            raise self.refused(f"Expected identifier. -{self.current[good.end()]}")
        name = self.current.replace('"', "")
        self.advance()
        return name

    def integer(self) -> int:
        try:
            number = int(self.current, 10) if re.fullmatch(r"-?[0-9]+", self.current) else None
        except ValueError:
            number = None
        if number is None:
            raise self.refused(f'Couldn\'t parse integer: For input string: "{self.current}"')
        if number not in _INT64:
            out = f"Number out of range for 64-bit signed integer: {self.current}"
            raise self.refused(f"Couldn't parse integer: {out}")
        self.advance()
        return number

    def boolean(self) -> None:
        if not (self.take("true") or self.take("false")):
            raise self.refused('Expected "true" or "false".')

    def quoted(self) -> str:
        """What stands between the quotes, which are still the token."""
        quote = self.current[:1]
        if quote not in ('"', "'"):
            raise self.refused("Expected string.")
        if len(self.current) < 2 or self.current[-1] != quote:
            raise self.refused("String missing ending quote.")
        return self.current[1:-1]

    def refused(self, words: str) -> BadRequest:
        return self._refused(words, self._at)

    def passed(self, words: str) -> BadRequest:
        return self._refused(words, self._before)

    def _refused(self, words: str, at: int) -> BadRequest:
        line_start = self._text.rfind("\n", 0, at) + 1
        line = self._text.count("\n", 0, at) + 1
        return BadRequest(f"{line}:{at - line_start + 1}: {words}", PARSE_EXCEPTION)


def _behind_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _fields(tokens: _Tokens, message: Message) -> None:
    while True:
        field = message.by_name.get(tokens.identifier())
        if field is None:
            _missing(tokens)
        else:
            tokens.consume(":")
            if tokens.take("["):
                while not tokens.take("]"):
                    _value(tokens, message, field)
                    tokens.take(",")
            else:
                _value(tokens, message, field)
        if not tokens.take(","):
            return


def _missing(tokens: _Tokens) -> None:
    """A field that the message does not have: skipped, if its value is one."""
    tokens.take(":")
    if tokens.take("{"):
        while True:
            tokens.identifier()
            _missing(tokens)
            if not tokens.take(","):
                return tokens.consume("}")
    if tokens.take("["):
        while True:
            _missing(tokens)
            if not tokens.take(","):
                return tokens.consume("]")
    if tokens.take("null"):
        return None
    if tokens.current[:1] in set("0123456789-+"):
        tokens.integer()
    elif not (tokens.take("true") or tokens.take("false")):
        tokens.quoted()
        tokens.advance()
    return None


def _value(tokens: _Tokens, message: Message, field: Field) -> None:
    if isinstance(field.kind, Message):
        tokens.consume("{")
        while not tokens.take("}"):
            if not tokens.current:
                raise tokens.refused('Expected "}".')
            _fields(tokens, field.kind)
            tokens.take(",")
    elif tokens.take("null"):
        return
    elif field.kind == "bool":
        tokens.boolean()
    elif field.kind == "int":
        _number(tokens, message, field)
    else:
        text = tokens.quoted()
        if field.kind == "bytes":
            _check_bytes(tokens, field, text)
        tokens.advance()


def _number(tokens: _Tokens, message: Message, field: Field) -> None:
    names = ENUMS.get((message.name, field.name))
    if names is None:
        tokens.integer()
        return
    kind = _ENUM_NAMES.get(field.name, field.name)
    if tokens.current[:1] in set("0123456789-+"):
        number = tokens.integer()
        if not 0 <= number < len(names):
            raise tokens.passed(f'Enum type "{kind}" has no value with number {number}.')
        return
    name = tokens.identifier()
    if name.isalpha() and name.islower():
        name = name[0].upper() + name[1:]
    if name not in names:
        raise tokens.passed(f'Enum type "{kind}" has no value named "{name}".')


def _check_bytes(tokens: _Tokens, field: Field, text: str) -> None:
    if not tokens.visible:
        if hex_of(text) is None:
            raise tokens.refused("INVALID hex String")
    elif field.name in ADDRESS_FIELDS:
        if stranger := illegal_character(text):
            raise tokens.refused(f"INVALID base58 String, {stranger}")
        base58(text)
    elif field.name not in TEXT_FIELDS and hex_of(text) is None:
        raise tokens.refused("INVALID hex String")
