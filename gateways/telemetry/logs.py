"""Logs as JSON lines on stderr, one object a line. What is logged names a key by its id, never by the key (I13)."""

import logging
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateways.telemetry.turns import trace_id_here

_EXTRA: Final = ("request_id", "method", "route", "status", "ms", "api_key_id")
_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)
_QUIETER: Final = {
    "psycopg.pool": logging.ERROR,
    "opentelemetry": logging.ERROR,
    "aws_xray_sdk": logging.CRITICAL,  # a datagram that nobody took is no error
    # At debug they log headers and bodies, which are not ours to log (I13).
    "boto3": logging.WARNING,
    "botocore": logging.WARNING,
    "httpcore2": logging.WARNING,
    "httpx2": logging.WARNING,
    "urllib3": logging.WARNING,
}


class JsonFormatter(logging.Formatter):
    """time, level, logger, message, which process and which trace, and what the call added."""

    def __init__(self, process: str = "") -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._process:
            line["process"] = self._process
        trace_id = trace_id_here()
        if trace_id is not None:
            line["trace_id"] = trace_id
        line |= {name: getattr(record, name) for name in _EXTRA if getattr(record, name, None) is not None}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _ENCODER.encode(line).decode()


def configure(level: str, process: str) -> None:
    """Send the process's logs to stderr as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter(process))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, at_least in _QUIETER.items():
        logging.getLogger(name).setLevel(at_least)
