"""How SQS carries our messages: it takes text alone, and not all of that; and its keys have 128 characters at most."""

import base64
import hashlib
import re
from typing import Final

BASE64: Final = "base64:"
"""Stands before a body that is no JSON."""
_REFUSED: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_KEY: Final = re.compile(r"""[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}""")


def text_of(body: bytes) -> str:
    """JSON as it is, so that a person can read it in the console; anything else in base64."""
    if body[:1] in (b"{", b"["):
        try:
            text = body.decode()
        except UnicodeDecodeError:
            pass
        else:
            if not _REFUSED.search(text):
                return text
    return BASE64 + base64.b64encode(body).decode()


def sent_bytes(body: bytes) -> int:
    """How much of a message's size this body takes, in the form in which it is sent."""
    return len(text_of(body).encode())


def bytes_of(text: str) -> bytes:
    """The body that text_of was given; what somebody else has sent is given as it is, and is believed nothing."""
    if text.startswith(BASE64):
        try:
            return base64.b64decode(text.removeprefix(BASE64), validate=True)
        except ValueError:
            pass
    return text.encode()


def key_of(key: str) -> str:
    """A deduplication id: the key itself, or its hash where SQS would not take it."""
    return key if _KEY.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()
