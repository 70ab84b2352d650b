"""Calls by gRPC: bytes out, bytes in. The library is loaded, and the connection made, by the first call of a process.

    GrpcChannel("grpc://127.0.0.1:50051").ask("protocol.Wallet/GetNowBlock2", b"", 10)

A process forked before that call has nothing of it: `counterfoil up` starts its children from one parent.
"""

import threading
from typing import Any, Final
from urllib.parse import urlsplit

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of one message, which arrives whole and is held twice: by the library, and here. Receipts that weigh more, as the 36 MB that
879 TRX once made (FAILURES 90), are read over HTTP, where they come in pieces."""
TOO_LARGE: Final = "message larger than max"
"""In what the library says of an answer that was cut off at that size."""
DETAILS_MAX: Final = 200

_RECONNECT_MS_MAX: Final = 5_000
_CONNECT_MS: Final = 10_000
"""So long a connection may take, whatever the library calls it. A busy java-tron needs more than a second."""


class CallFailed(Exception):
    """The call brought no answer: gRPC's code by name (UNAVAILABLE, DEADLINE_EXCEEDED, ...), and what was said with it."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(f"{code} {details}".strip())
        self.code = code
        self.details = details


class GrpcChannel:
    """One address, grpc://host:port or grpcs://host:port. Safe from several threads."""

    def __init__(self, url: str, api_key: str = "") -> None:
        """`api_key` goes along as TRON-PRO-API-KEY; names of metadata are written small."""
        self.url = url
        self._metadata = (("tron-pro-api-key", api_key),) if api_key else ()
        self._lock = threading.Lock()
        self._channel: Any = None

    def ask(self, method: str, question: bytes, deadline_s: float) -> bytes:
        """`method` is package.Service/Method. Raises CallFailed."""
        import grpc

        call = self._opened(grpc).unary_unary(f"/{method}", request_serializer=None, response_deserializer=None)
        try:
            answer: bytes = call(question, timeout=deadline_s, metadata=self._metadata)
        except grpc.RpcError as error:
            details = " ".join((error.details() or "").split())
            raise CallFailed(error.code().name, details[:DETAILS_MAX]) from None
        return answer

    def close(self) -> None:
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _opened(self, grpc: Any) -> Any:
        with self._lock:
            if self._channel is None:
                self._channel = _open(grpc, self.url)
            return self._channel


def _open(grpc: Any, url: str) -> Any:
    parts = urlsplit(url)
    is_local = (parts.hostname or "") in ("127.0.0.1", "localhost", "::1")
    options = (
        ("grpc.max_receive_message_length", ANSWER_BYTES_MAX),
        ("grpc.enable_http_proxy", 0 if is_local else 1),
        # Plain alone: how large a compressed answer becomes is not known until it has become it.
        ("grpc.compression_enabled_algorithms_bitset", 1),
        ("grpc.enable_retries", 0),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.use_local_subchannel_pool", 1),
        # The loop asks again by itself: a node that is back is found within seconds, not two minutes.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", _CONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", _RECONNECT_MS_MAX),
    )
    if parts.scheme == "grpcs":
        return grpc.secure_channel(parts.netloc, grpc.ssl_channel_credentials(), options)
    return grpc.insecure_channel(parts.netloc, options)
