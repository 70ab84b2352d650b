"""Secrets Manager: what the program keeps there, read when it is needed, and read anew so that a rotation needs no restart.

A value is remembered for a while, and longer when the service does not answer: what is known goes on. Its last version goes
on counting for as long as something made with it may be under way.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from botocore.exceptions import ClientError

from core.ports.unavailable import Unavailable
from core.rotation import ROTATION_OVERLAP
from gateways.aws.names import FOR_API, FOR_FACTS, FOR_WEBHOOKS, RETENTION_S, secret_name
from gateways.aws.outages import code_of, reaching
from gateways.aws.session import Aws
from gateways.platform_keys import Secrets
from gateways.user_error import NotReady

log = logging.getLogger(__name__)

FRESH_S: Final = 60.0
"""So long a rotation may go unnoticed."""
REST_FIRST_S: Final = 2.0
"""Of a secret that could not be read again; doubled each time, up to FRESH_S."""
KNOWN_EVERYWHERE: Final = timedelta(seconds=2 * FRESH_S)
FACTS_OVERLAP: Final = timedelta(seconds=RETENTION_S)
"""As long as a queue keeps a message that was proven with the key before."""
NOW: Final = "AWSCURRENT"
BEFORE: Final = "AWSPREVIOUS"
PEPPER_BEFORE: Final = "api_key_pepper_before"
"""The field of the secret `api` with what the pepper was: keys that were made under it are known until it is replaced again."""
_NO_VALUE: Final = "ResourceNotFoundException"


class _Read(NamedTuple):
    """A version of a secret, or none (no fields), and when it was looked for."""

    fields: Mapping[str, str]
    made_at: datetime
    at_s: float


class SecretStore:
    """Secrets by name, each a JSON object of strings."""

    def __init__(self, aws: Aws, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._manager = aws.client("secretsmanager")
        self._prefix = aws.prefix
        self._monotonic = monotonic
        self._known: dict[tuple[str, str], _Read] = {}
        self._resting: dict[tuple[str, str], tuple[float, float]] = {}
        """(pause, until when) of what could not be read again."""
        self._lock = threading.Lock()

    def fields(self, name: str, *, fresh_s: float = FRESH_S) -> Mapping[str, str]:
        """The current version. Raises NotReady when there is none."""
        found = self._read(name, NOW, fresh_s).fields
        if not found:
            raise self._no_value(name)
        return found

    def versions(self, name: str, overlap: timedelta, now: datetime) -> Sequence[Mapping[str, str]]:
        """The version to use, and another that counts, too, as long as the current one is younger than the overlap.

        A new version is used only when every process has had the time to read it.
        """
        current = self.fields(name)
        age = now - self._read(name, NOW, FRESH_S).made_at
        before = self._read(name, BEFORE, FRESH_S).fields if age < overlap else {}
        if not before:
            return [current]
        return [before, current] if age < KNOWN_EVERYWHERE else [current, before]

    def exists(self, name: str) -> bool:
        """Whether it has a value."""
        return bool(self._read(name, NOW, 0).fields)

    def put(self, name: str, fields: Mapping[str, str]) -> None:
        """A new version; the last one is the one before from then on."""
        with reaching("Secrets Manager"):
            self._manager.put_secret_value(SecretId=self._id(name), SecretString=msgspec.json.encode(fields).decode())
        with self._lock:
            self._known.clear()

    def _read(self, name: str, stage: str, fresh_s: float) -> _Read:
        with self._lock:
            known = self._known.get((name, stage))
            if known is not None and self._monotonic() - known.at_s < fresh_s:
                return known
            if known is not None and known.fields and self._rests(name, stage):
                return known
            try:
                read = self._ask(name, stage)
                if stage == NOW and not read.fields and known is not None and known.fields:
                    raise self._no_value(name)
            except (Unavailable, NotReady) as error:
                if known is None:
                    raise
                self._rest(name, stage)
                log.warning(
                    "the secret %s could not be read again, the value known so far stays in use: %s", name, error
                )
                return known
            self._resting.pop((name, stage), None)
            self._known[name, stage] = read
            return read

    def _rests(self, name: str, stage: str) -> bool:
        """Whether it was asked for in vain a moment ago: nobody waits for the same failure again and again."""
        _, until_s = self._resting.get((name, stage), (0.0, 0.0))
        return self._monotonic() < until_s

    def _rest(self, name: str, stage: str) -> None:
        pause_s, _ = self._resting.get((name, stage), (REST_FIRST_S / 2, 0.0))
        pause_s = min(2 * pause_s, FRESH_S)
        self._resting[name, stage] = (pause_s, self._monotonic() + pause_s)

    def _no_value(self, name: str) -> NotReady:
        return NotReady(f"the secret {self._id(name)} has no value: run `counterfoil secrets make`")

    def _ask(self, name: str, stage: str) -> _Read:
        at_s = self._monotonic()
        try:
            with reaching(f"the secret {self._id(name)}", _NO_VALUE):
                answer = self._manager.get_secret_value(SecretId=self._id(name), VersionStage=stage)
        except ClientError as error:
            if code_of(error) == _NO_VALUE:  # of a secret, or of its version
                return _Read({}, datetime.fromtimestamp(0, UTC), at_s)
            raise
        try:
            fields = msgspec.json.decode(answer["SecretString"], type=dict[str, str | int | None])
        except (KeyError, msgspec.DecodeError):
            raise NotReady(
                f"the secret {self._id(name)} is no JSON object of strings: restore its last version"
            ) from None
        texts = {key: value for key, value in fields.items() if isinstance(value, str)}
        return _Read(texts, answer["CreatedDate"].astimezone(UTC), at_s)

    def _id(self, name: str) -> str:
        return name if name.startswith("arn:") or "!" in name else secret_name(self._prefix, name)


class AwsSecrets(Secrets):
    """The platform's own keys. Each is read at its first use: a process reads what it may and needs."""

    def __init__(self, store: SecretStore, clock: Callable[[], datetime]) -> None:
        object.__setattr__(self, "_store", store)
        object.__setattr__(self, "_clock", clock)

    _store: SecretStore
    _clock: Callable[[], datetime]

    @property
    def api_key_pepper(self) -> bytes:
        return self._one(FOR_API, "api_key_pepper")

    @property
    def position_key(self) -> bytes:
        return self._one(FOR_API, "position_key")

    @property
    def webhook_master(self) -> bytes:
        return self.webhook_masters()[0]

    @property
    def deposit_fact_key(self) -> bytes:
        return self.deposit_fact_keys()[0]

    def webhook_masters(self) -> Sequence[bytes]:
        return self._all(FOR_WEBHOOKS, "webhook_master", ROTATION_OVERLAP)

    def deposit_fact_keys(self) -> Sequence[bytes]:
        return self._all(FOR_FACTS, "deposit_fact_key", FACTS_OVERLAP)

    def api_key_peppers(self) -> Sequence[bytes]:
        fields = self._store.fields(FOR_API)
        names = ("api_key_pepper", *([PEPPER_BEFORE] if PEPPER_BEFORE in fields else []))
        return [key_in(FOR_API, fields, name) for name in names]

    def _one(self, name: str, field: str) -> bytes:
        return key_in(name, self._store.fields(name), field)

    def _all(self, name: str, field: str, overlap: timedelta) -> list[bytes]:
        return [key_in(name, fields, field) for fields in self._store.versions(name, overlap, self._clock())]

    def __repr__(self) -> str:
        return "AwsSecrets(hidden)"

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


def key_in(name: str, fields: Mapping[str, str], field: str) -> bytes:
    """32 bytes in hex. Raises NotReady, which quotes nothing of it."""
    try:
        key = bytes.fromhex(fields[field])
    except (KeyError, ValueError):
        key = b""
    if len(key) != 32:
        raise NotReady(f"the field {field} of the secret {name} is no key of 32 bytes in hex: restore its last version")
    return key
