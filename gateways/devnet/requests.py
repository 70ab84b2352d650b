"""A request to the devnet and what comes of it, whatever carries them: the answer, or the silence that a fault makes of it."""

from collections.abc import Mapping

import msgspec


class Request(msgspec.Struct, frozen=True):
    """A request as it stands on the wire. `base_url` is what the client calls this node, for links in answers."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    body: bytes = b""
    base_url: str = "http://devnet"


class NodeAnswer(msgspec.Struct, frozen=True):
    """An answer: its status, its body, its media type."""

    status: int
    body: bytes
    media_type: str = "application/json"


class Silence(msgspec.Struct, frozen=True):
    """No answer: the connection is held for so long, or until the client gives up, and then cut."""

    hold_ms: int


class Silenced(Exception):
    """The request was carried out, and nobody will be told."""

    def __init__(self, silence: Silence) -> None:
        super().__init__(f"silent for {silence.hold_ms} ms")
        self.silence = silence
