"""Which store this is, and how far what was signed with its keys has come: whether it may be an old copy."""

import asyncio
from typing import Any, Final, Literal
from uuid import UUID

from core.ledger.ledger import EventStore, state_of
from core.streams.accounts import OPERATOR
from core.streams.store import STORE, Store
from gateways.http.answer import Answer, Time, of_row
from gateways.http.endpoint import Call, Reply, endpoint, reply
from gateways.http.fields import Read

Doubt = Literal["behind", "differs", "another_store", "archive_ahead", "archive_differs", "copied", "mark_lost"]


class StoreSigner(Answer, frozen=True):
    """A process that signs: the mark's position as it saw it last, and what of the chain it waits for ("": nothing)."""

    process: str
    high_water: int
    waits_for: str


class OlderStore(Answer, frozen=True):
    """Why this store is not taken for the newest of its name; `seen` is the position that was seen elsewhere, 0 if unknown."""

    doubt: Doubt
    seen: int
    sentence: str


class StoreShown(Answer, frozen=True):
    """`store_id` is the same in every copy; null until the first signer has started. `head` is the last position.

    `high_water` is the position up to which the signers' mark has seen this history; null before they have looked. While
    `older` is not null, nothing is signed and no deposit address is given out. `last_backup`: null where none is known.
    """

    store_id: UUID | None
    head: int
    high_water: int | None
    older: OlderStore | None
    signers: list[StoreSigner]
    last_backup: Time | None


_WATCHED: Final = "SELECT process, position AS high_water, waits_for FROM store_watch ORDER BY process"


def known_store(store: EventStore) -> Store:
    """What the history says of the store itself. Raises Unavailable."""
    return state_of(store, STORE, Store())


@endpoint("GET", "/v1/store", OPERATOR, StoreShown)
async def get_store(call: Call, _: Read) -> Reply:
    """The store's name, how far it has come, and how far the signers' high-water mark says that it must have come."""
    call.position = head = await call.api.queries.head()
    known = await asyncio.to_thread(known_store, call.api.platform.store)
    signers: list[Any] = await call.api.queries.fetch(_WATCHED)
    older = known.older
    return reply(
        StoreShown(
            store_id=UUID(known.store_id) if known.store_id is not None else None,
            head=head,
            high_water=max((row.high_water for row in signers), default=None),
            older=OlderStore(older.doubt, older.seen, older.sentence) if older is not None else None,
            signers=[of_row(StoreSigner, row) for row in signers],
            last_backup=None,
        )
    )
