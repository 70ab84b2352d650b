"""API keys: how they are made, hashed, found, cached for seconds, and what they may do.

A key is known to its holder only; kept and looked up is HMAC-SHA256(pepper, key).
"""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

from core.ports.clients import ApiKey, ApiKeys
from core.streams.accounts import OPERATOR
from gateways.http.errors import ApiKeyExpired, ApiKeyInvalid, PermissionDenied, RequestRefused

log = logging.getLogger(__name__)

Permission = Literal[
    "ledger:read",
    "ledger:write",
    "payins:read",
    "payins:write",
    "payouts:read",
    "payouts:write",
    "payouts:priority",
    "events:read",
    "webhooks:read",
    "webhooks:write",
]
CACHE_S: Final = 10.0
"""A revoked key is dead everywhere after this long, in this process at once."""
CACHED_KEYS_MAX: Final = 10_000
NOTE_USE_EVERY_S: Final = 60.0
KEY_LENGTH_MAX: Final = 200
BOOTSTRAP_KEY: Final = ApiKey(
    id="bootstrap",
    account_id=OPERATOR,
    name="COUNTERFOIL_OPERATOR_API_KEY",
    permissions=(OPERATOR,),
    status="active",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    expires_at=None,
)


def new_key() -> str:
    """256 random bits behind a prefix that secret scanners can know."""
    return f"cf_live_{secrets.token_urlsafe(32)}"


def key_hash(pepper: bytes, key: str) -> str:
    """The form in which a key is kept and looked up; without the pepper it is worth nothing."""
    return hmac.new(pepper, key.encode(), "sha256").hexdigest()


class _Cached(NamedTuple):
    key: ApiKey | None
    until: float


class Keyring:
    """Finds the caller of a request."""

    def __init__(
        self, api_keys: ApiKeys, peppers: Sequence[bytes], bootstrap: str, clock: Callable[[], datetime]
    ) -> None:
        """Keys are kept under the first pepper now, and were under the others before: those are known as well."""
        self._api_keys = api_keys
        self._hmacs = [hmac.new(pepper, digestmod="sha256") for pepper in peppers]
        self._bootstrap = key_hash(peppers[0], bootstrap) if bootstrap else None
        self._clock = clock
        self._cache: dict[str, _Cached] = {}
        self._finding: dict[str, asyncio.Task[ApiKey | None]] = {}
        self._noted: dict[str, float] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def caller(self, presented: bytes | None) -> ApiKey:
        """The key's record. Raises RequestRefused (401), or Unavailable."""
        if not presented or len(presented) > KEY_LENGTH_MAX or not presented.isascii():
            raise RequestRefused(ApiKeyInvalid())
        hashed, *before = self._hashes(presented)
        if self._bootstrap is not None and hmac.compare_digest(hashed, self._bootstrap):
            return BOOTSTRAP_KEY
        key = await self._find(hashed)
        while key is None and before:
            hashed = before.pop(0)
            key = await self._find(hashed)
        if key is None or key.status != "active":
            raise RequestRefused(ApiKeyInvalid())
        if key.expires_at is not None and self._clock() >= key.expires_at:
            raise RequestRefused(ApiKeyExpired())
        self._note_use(hashed)
        return key

    def was_good(self, presented: bytes) -> bool:
        """Whether the key was somebody's when it was last looked up: its holder is no stranger who guesses."""
        hashes = self._hashes(presented)
        if self._bootstrap is not None and hmac.compare_digest(hashes[0], self._bootstrap):
            return True
        return any(hashed in self._noted for hashed in hashes)

    def _hashes(self, presented: bytes) -> list[str]:
        found = []
        for known in self._hmacs:
            digest = known.copy()
            digest.update(presented)
            found.append(digest.hexdigest())
        return found

    def forget(self, key_id: str) -> None:
        """A key was revoked here: it is dead in this process from now on."""
        self._cache = {hashed: kept for hashed, kept in self._cache.items() if kept.key and kept.key.id != key_id}

    async def close(self) -> None:
        await asyncio.gather(*self._notes, return_exceptions=True)

    async def _find(self, hashed: str) -> ApiKey | None:
        now = asyncio.get_running_loop().time()
        kept = self._cache.get(hashed)
        if kept is not None and kept.until > now:
            return kept.key
        finding = self._finding.get(hashed)
        if finding is None:  # a crowd with one key asks the store once
            finding = asyncio.create_task(asyncio.to_thread(self._api_keys.find, hashed))
            self._finding[hashed] = finding
            finding.add_done_callback(lambda _: self._finding.pop(hashed, None))
        key = await asyncio.shield(finding)
        while len(self._cache) >= CACHED_KEYS_MAX:
            del self._cache[next(iter(self._cache))]
        # From before the question: an answer that was slow is not kept longer for it.
        self._cache[hashed] = _Cached(key, now + CACHE_S)
        return key

    def _note_use(self, hashed: str) -> None:
        """At most once a minute, and not while the caller waits."""
        now = asyncio.get_running_loop().time()
        if now - self._noted.get(hashed, -NOTE_USE_EVERY_S) < NOTE_USE_EVERY_S:
            return
        if len(self._noted) >= CACHED_KEYS_MAX:
            self._noted.clear()
        self._noted[hashed] = now
        note = asyncio.create_task(self._note(hashed))
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def _note(self, hashed: str) -> None:
        try:
            await asyncio.to_thread(self._api_keys.used, hashed, self._clock())
        except Exception:
            log.warning("the time of an API key's use could not be noted", exc_info=True)


def must_have(caller: ApiKey, permission: str | None, *, operator_too: bool = False) -> None:
    """Raises RequestRefused (403) unless the caller may. An operator's key is no client's, and the other way round (I12)."""
    if permission is None or (operator_too and caller.account_id == OPERATOR):
        return
    if permission not in caller.permissions:
        raise RequestRefused(PermissionDenied(permission=permission))
