"""Logs as JSON lines on stderr, one object a line. What is logged names a key by its id, never by the key (I13)."""

import logging
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

_EXTRA: Final = ("request_id", "method", "route", "status", "ms", "api_key_id")
_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)


class JsonFormatter(logging.Formatter):
    """time, level, logger, message, and what the call added."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _EXTRA if getattr(record, name, None) is not None}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return _ENCODER.encode(line).decode()


def configure(level: str) -> None:
    """Send the process's logs to stderr as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
