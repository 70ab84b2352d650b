"""The doors the inside knows: what it asks of a chain, a queue and a store, never who answers.

Each port is a bare noun; adapters in gateways are named vendor + port. A shut door raises Unavailable.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec

from core.chain import (
    AccountResources,
    Block,
    BlockRef,
    BroadcastAnswer,
    ChainAccount,
    ConstantResult,
    ContractEnergy,
    Delegation,
    DelegationIndex,
    Producer,
    Receipt,
    Resource,
)
from core.queues import DeadLetter, Message, Outstanding, Overdue, Queue, Received

__all__ = ["DeadLetter", "Message", "Outstanding", "Overdue", "Queue", "Received"]  # all ports are had from here


class Unavailable(Exception):
    """A door is shut for now: the work is not done and may be tried again later."""


Alarm = Callable[[str, str], None]
"""(name, sentence): something that a person must look at; counted by name."""


class Node(Protocol):
    """A Tron node. Every method may block for its timeout and raise Unavailable; none repairs or guesses an answer."""

    def head(self) -> BlockRef: ...

    def solid(self) -> BlockRef:
        """The last block confirmed by 19 of 27 producers, as the solidity view has it."""

    def genesis_id(self) -> str:
        """The id of block 0: which network this is."""

    def block(self, number: int) -> Block | None:
        """The block at this height, or None while the node has none."""

    def solid_block(self, number: int) -> Block | None: ...

    def receipts(self, number: int) -> Sequence[Receipt]:
        """The receipts of a block; an empty answer may also mean that the node does not have the block."""

    def solid_receipts(self, number: int) -> Sequence[Receipt]: ...

    def receipt(self, txid: str) -> Receipt | None: ...

    def solid_receipt(self, txid: str) -> Receipt | None: ...

    def broadcast(self, signed: bytes) -> BroadcastAnswer:
        """Send a signed Transaction's bytes. Never raises for what may have been sent: the answer is then unclear."""

    def account(self, address: bytes) -> ChainAccount | None: ...

    def solid_account(self, address: bytes) -> ChainAccount | None: ...

    def resources(self, address: bytes) -> AccountResources: ...

    def call(self, owner: bytes, contract: bytes, data: bytes, *, solid: bool = False) -> ConstantResult: ...

    def chain_parameters(self) -> Mapping[str, int]:
        """getEnergyFee, getTransactionFee, ...: sun, per unit of energy or byte."""


class Staking(Protocol):
    """What a node tells of stake and its delegation. `solid` asks the solidity view instead of the head.

    What can be done now, the most that can be delegated say, is true of the node's head only until the next block.
    Raises Unavailable.
    """

    def delegations(self, owner: bytes, receiver: bytes, *, solid: bool = False) -> Sequence[Delegation]:
        """What `owner` lends `receiver`: nothing, one row, or two where part of it is locked."""

    def delegation_index(self, address: bytes, *, solid: bool = False) -> DelegationIndex: ...

    def delegatable_sun(self, owner: bytes, resource: Resource, *, solid: bool = False) -> int:
        """The most stake that the owner can delegate: what is frozen here, less what its own usage still needs."""

    def unfreezes_left(self, owner: bytes, *, solid: bool = False) -> int:
        """How many more unfreezes can wait at the same time (32 in all)."""

    def withdrawable_sun(self, owner: bytes, at_ms: int, *, solid: bool = False) -> int:
        """Unfrozen stake that has expired at this chain time."""

    def contract_energy(self, contract: bytes) -> ContractEnergy | None:
        """None where there is no contract."""

    def next_maintenance_ms(self) -> int:
        """Chain time of the next maintenance: prices and energy factors stay as they are until then."""


class Chain(Node, Staking, Protocol):
    """A node, asked for everything there is."""


class Network(Protocol):
    """Who produces blocks, as the nodes state it. Raises Unavailable."""

    def producers(self) -> Sequence[Producer]:
        """All candidates; those that are `active` produce now."""

    def producer_key(self, address: bytes) -> bytes:
        """The address whose key signs a producer's blocks: its own, or the one its witness permission names."""


class Disagreement(Unavailable):
    """Nodes state different things about what is final: nothing is done until two of them say the same (I14)."""


class NoSecondOpinion(Unavailable):
    """No second node knows the matter yet."""


class SecondOpinion(Protocol):
    """What a second node says of what is final; with one node configured, what that one says.

    Raises Disagreement where nodes contradict each other, NoSecondOpinion while no second one can say.
    """

    def agree_on_solid(self, number: int) -> str:
        """The id of the solid block at this height."""

    def agree_on_receipts(self, number: int, receipts: Sequence[Receipt]) -> None:
        """Returns when a second node has receipts of the same outcome and logs in its solid block of this height."""

    def agree_on_absence(self, txid: str, solid: BlockRef) -> None:
        """Returns when a second node has this solid block, too, and the transaction in no block up to its own solid one."""


class ApiKey(msgspec.Struct, frozen=True):
    """What is known of an API key; the key itself is known to its holder only. Operator keys have the account "operator"."""

    id: str
    account_id: str
    name: str
    permissions: tuple[str, ...]
    status: Literal["active", "revoked"]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = None


class ApiKeys(Protocol):
    """API keys by their keyed hash (hex)."""

    def put(self, key_hash: str, key: ApiKey) -> None:
        """Keep a key; the same hash and id again changes nothing."""

    def find(self, key_hash: str) -> ApiKey | None: ...

    def of_account(self, account_id: str) -> Sequence[ApiKey]:
        """All keys of an account, newest first, revoked ones included."""

    def revoke(self, account_id: str, key_id: str) -> bool:
        """False when the account has no such key. Revoking twice is the same as once."""

    def used(self, key_hash: str, at: datetime) -> None:
        """Note the time of use."""


class IdempotencyRecord(msgspec.Struct, frozen=True):
    """A request that was begun: hashes of its body's fields by name, and the answer once there is one."""

    status: Literal["running", "done"]
    field_hashes: dict[str, str]
    response: bytes | None


class IdempotencyKeys(Protocol):
    """Answers by (account, scope, key), for 24 hours."""

    def begin(
        self, account_id: str, scope: str, key: str, field_hashes: Mapping[str, str], now: datetime
    ) -> IdempotencyRecord | None:
        """None when this caller is the first, or takes over from one that died; else what is known of the first."""

    def complete(self, account_id: str, scope: str, key: str, response: bytes) -> None: ...

    def abandon(self, account_id: str, scope: str, key: str) -> None:
        """Nothing came of it: the next one is the first again."""


DeliveryStatus = Literal["pending", "delivered", "exhausted", "disabled"]


class Delivery(msgspec.Struct, frozen=True):
    """A webhook event on its way: the exact body, and how far it came. `subject` keeps the order per object."""

    account_id: str
    event_id: str
    event_type: str
    subject: str
    sequence: int
    payload: bytes
    status: DeliveryStatus
    attempts: int
    created_at: datetime
    last_attempt_at: datetime | None = None
    last_error: str | None = None
    next_retry_at: datetime | None = None


class Backlog(msgspec.Struct, frozen=True):
    """Webhooks that should have been sent by now: how many, and since when the first of them."""

    deliveries: int
    since: datetime | None


class WebhookOutbox(Protocol):
    """Webhook events that are to be delivered, or were."""

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """Keep new ones; an event that is already here stays as it is."""

    def due(self, now: datetime, limit: int, busy: Sequence[str] = ()) -> Sequence[Delivery]:
        """Pending ones whose time has come, oldest first, at most one per account and subject: the earliest.

        Accounts in `busy` are passed over. What is given is not given again for a minute.
        """

    def backlog(self, now: datetime, limit: int) -> Backlog:
        """What is due and not handed out, counted up to `limit`. What waits behind another of its subject is not due."""

    def record(self, delivery: Delivery) -> bool:
        """Keep the outcome of attempt number `delivery.attempts`; False when another process already did."""

    def redeliver(self, account_id: str, event_id: str, now: datetime) -> Delivery | None:
        """Make an event due again, with all its attempts before it; None when the account has no such event."""

    def find(self, account_id: str, event_id: str) -> Delivery | None: ...

    def page(self, account_id: str, status: DeliveryStatus | None, after: str | None, limit: int) -> Sequence[Delivery]:
        """By event id (time-ordered), newest first, behind the event `after`."""


class AuditEntry(msgspec.Struct, frozen=True):
    """An act of an operator, a client or the system. `data` holds no secret (I13)."""

    account_id: str
    at: datetime
    action: str
    actor_id: str
    actor_type: Literal["operator", "api-key", "system"]
    data: dict[str, Any]
    ip_address: str | None = None
    request_id: str | None = None


class AuditLog(Protocol):
    """Who did what, for 90 days."""

    def add(self, entries: Sequence[AuditEntry]) -> None: ...

    def page(self, account_id: str | None, after: str | None, limit: int) -> Sequence[tuple[str, AuditEntry]]:
        """(cursor, entry), newest first, behind the cursor `after`."""


class ReadyAddress(msgspec.Struct, frozen=True):
    """A deposit address that the signer has made and nobody was given yet."""

    base58: str
    hex: str
    key_id: str


class AddressPool(Protocol):
    """All addresses that are ours. A row stands here before anybody can learn the address (I6)."""

    def take(self) -> ReadyAddress | None:
        """One ready address, given to nobody else; None when the pool is empty."""

    def add(self, addresses: Sequence[ReadyAddress]) -> None:
        """New ready deposit addresses; known ones stay as they are."""

    def add_wallet(self, role: str, base58: str, key_id: str | None) -> None:
        """A system wallet's address, watched like the others."""

    def ready(self) -> int:
        """How many wait to be taken."""

    def highest_index(self, prefix: str) -> int:
        """The highest derivation index among key ids that start with `prefix`, -1 when there is none."""

    def ours(self, evm_addresses: Sequence[bytes]) -> Mapping[bytes, str]:
        """Which of these 20-byte addresses are ours, with their wallet role: payin, hot, cold, gas."""

    def key_ids(self, evm_addresses: Sequence[bytes]) -> Mapping[bytes, str]:
        """Which key signs for each of these, where one is known here."""


class Holding(msgspec.Struct, frozen=True):
    """What the events say a deposit address holds, and how many sweeps of it were ever planned."""

    address: str
    usdt_minor: int
    trx_sun: int
    sweeps: int


class Holdings(Protocol):
    """The deposit addresses by what they hold, as a view has it: a hint where to look, the chain is asked before anything."""

    def richest(self, usdt_minor: int, limit: int) -> Sequence[Holding]:
        """Those with at least so much USDT that are not set aside, the richest first."""

    def left_over(self, trx_sun: int, usdt_minor: int, limit: int) -> Sequence[Holding]:
        """Those with at least so many TRX and less USDT than this, not set aside, the richest first."""

    def set_aside(self) -> Sequence[str]:
        """Addresses in quarantine because the token's issuer blacklisted them."""


class Cursor(msgspec.Struct, frozen=True):
    """How far a scanner came: the block whose facts are durable.

    `unsolid` is what the scanner must remember of blocks that may still leave the chain, in its own encoding.
    """

    number: int
    block_id: str
    unsolid: bytes = b""


class Cursors(Protocol):
    """The scanner's checkpoints (chain_cursors)."""

    def load(self, name: str) -> Cursor | None: ...

    def save(self, name: str, cursor: Cursor) -> None:
        """Move the cursor. Only after the queue has taken what lies before it (I9)."""


class Bookmarks(Protocol):
    """Positions of steps that follow the history and are no projectors."""

    def load(self, name: str) -> int: ...

    def save(self, name: str, position: int) -> None: ...


class SolidLog(Protocol):
    """Our own log of solid blocks, as the observer checked and linked them: what a proof of death rests on (I7)."""

    def append(self, block: BlockRef, sent: Mapping[str, str]) -> None:
        """A block, and of those transactions in it that addresses of ours own, txid -> contractRet, in one transaction.

        A block that is known stays as it is.
        """

    def blocks(self, first: int, until_ms: int) -> Sequence[BlockRef]:
        """The blocks there are, from height `first` to the lowest that is as old as `until_ms`; none while none is."""

    def find(self, txid: str) -> tuple[int, str] | None:
        """The height of the block that holds a transaction of ours, and its contractRet there; None when none does."""

    def keep_from(self, holder: str, number: int | None) -> None:
        """Keep everything from this height on for `holder`, however long that takes; None: it needs no old block."""


class Attempts(Protocol):
    """Every attempt whose bytes were ever prepared, a payout's or an instruction's, by txid."""

    def streams_of(self, txids: Sequence[str]) -> Mapping[str, str]:
        """txid -> the stream of the payout or instruction. A txid that is no attempt of ours is left out."""
