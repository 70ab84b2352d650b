"""Transactions that wait for a block: admission in java-tron's order, with its codes and words.

What is admitted has been tried on the pending state, which is the head and everything waiting, in order. That trial
promises nothing about the block: a call that will revert or run out of energy is admitted too.
"""

import msgspec

from core.secp256k1 import InvalidSignature, recover
from core.tron import Address
from gateways.devnet import accounts
from gateways.devnet.accounts import OWNER_PERMISSION, Account
from gateways.devnet.block import Included
from gateways.devnet.execution import Context, Outcome, Refused, execute
from gateways.devnet.state import Head, Overlay, State
from gateways.devnet.transaction import Transaction

PENDING_MAX = 2_000
PENDING_TIMEOUT_MS = 60_000
TRANSACTION_BYTES_MAX = 500 * 1024
BLOCK_BYTES_MAX = 2_000_000
EXPIRATION_WINDOW_MS = 86_400_000
SIGNATURES_MAX = 5
SIGNATURE_BYTES = range(65, 69)
"""Longer than 65 is let pass, as java-tron does: what follows the 65 is not looked at."""


class Waiting(msgspec.Struct, frozen=True):
    """A transaction in the pool: when it came, and how its trial ended."""

    transaction: Transaction
    arrived_ms: int
    trial: Outcome


class Pool:
    """The transactions waiting on one head; `rebase` moves them to the next."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._state = Overlay(head)
        self._waiting: dict[str, Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def find(self, txid: str) -> Waiting | None:
        return self._waiting.get(txid)

    def txids(self) -> list[str]:
        return list(self._waiting)

    def add(self, transaction: Transaction, context: Context, now_ms: int) -> None:
        """Try a transaction on the pending state and keep it. Raises Refused."""
        attempt = Overlay(self._state)
        outcome = execute(attempt, transaction, context)
        self._state.merge(attempt)
        self._waiting[transaction.txid] = Waiting(transaction, now_ms, outcome)

    def fill(self, block_state: Overlay, context: Context, next_slot_ms: int) -> tuple[Included, ...]:
        """Execute what waits, in order, until the block is full; what no longer can be applied is left out."""
        included = []
        room = BLOCK_BYTES_MAX
        for waiting in self._waiting.values():
            transaction = waiting.transaction
            room -= transaction.bandwidth
            if room < 0:
                break
            if not is_timely(transaction, context.parent_ms, next_slot_ms):
                continue
            attempt = Overlay(block_state)
            try:
                outcome = execute(attempt, transaction, context)
            except Refused:
                continue
            block_state.merge(attempt)
            included.append(Included(transaction, outcome))
        return tuple(included)

    def rebase(self, included: tuple[Included, ...], context: Context, next_slot_ms: int, now_ms: int) -> None:
        """Forget what a new head includes, what expired and what waited too long; try the rest anew."""
        for each in included:
            self._waiting.pop(each.transaction.txid, None)
        waiting, self._waiting, self._state = self._waiting, {}, Overlay(self._head)
        for entry in waiting.values():
            timely = is_timely(entry.transaction, context.parent_ms, next_slot_ms)
            if timely and now_ms - entry.arrived_ms < PENDING_TIMEOUT_MS:
                self.readd(entry.transaction, context, entry.arrived_ms)

    def readd(self, transaction: Transaction, context: Context, arrived_ms: int) -> None:
        """Put back what was admitted before; what this head refuses is forgotten, as java-tron's re-push does."""
        try:
            self.add(transaction, context, arrived_ms)
        except Refused:
            return


def is_timely(transaction: Transaction, parent_ms: int, next_slot_ms: int) -> bool:
    """True if a block on this parent may hold the transaction (getConsensusLogicOptimization = 1)."""
    expiration_ms = transaction.expiration_ms
    return next_slot_ms <= expiration_ms <= parent_ms + EXPIRATION_WINDOW_MS


def check_signatures(state: State, transaction: Transaction) -> None:
    """The signers reach the threshold of the permission that the transaction names. Raises Refused, SIGERROR."""
    signatures = transaction.signatures
    if not signatures:
        raise _unsigned("miss sig or contract")
    if len(signatures) > SIGNATURES_MAX:
        raise _unsigned("too many signatures")
    for signature in signatures:
        if len(signature) not in SIGNATURE_BYTES:
            raise _unsigned(f"Signature size is {len(signature)}")
    account = accounts.find(state, transaction.owner) or Account(transaction.owner, created_ms=0)
    permission = account.permission(transaction.permission_id)
    if permission is None:
        raise _unsigned("permission isn't exit")
    if transaction.permission_id != OWNER_PERMISSION and not _allows(permission.operations, transaction.kind):
        raise _unsigned("Permission denied")
    weights = dict(permission.keys)
    weight, seen = 0, set[bytes]()
    for signature in signatures:
        signer = _signer(transaction, signature)
        if signer not in weights:
            raise _unsigned(f"{signature.hex()} is signed by {signer} but it is not contained of permission.")
        if signer in seen:
            raise _unsigned(f"{signer} has signed twice!")
        seen.add(signer)
        weight += weights[signer]
    if weight < permission.threshold:
        raise _unsigned("sig error")


def _signer(transaction: Transaction, signature: bytes) -> Address:
    try:
        return recover(bytes.fromhex(transaction.txid), signature[:65])
    except InvalidSignature as error:
        raise _unsigned(str(error)) from error


def _allows(operations: bytes, kind: int) -> bool:
    return bool(operations[kind // 8] >> kind % 8 & 1) if kind // 8 < len(operations) else False


def _unsigned(message: str) -> Refused:
    return Refused("SIGERROR", f"Validate signature error: {message}")
