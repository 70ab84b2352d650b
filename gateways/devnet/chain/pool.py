"""Transactions that wait for a block: admission in java-tron's order, with its codes and words.

What is admitted has been tried on the pending state, which is the head and everything waiting, in order. That trial
promises nothing about the block: a call that will revert or run out of energy is admitted too.
"""

import functools
from collections.abc import Callable, Iterable, Sequence

import msgspec

from core.tron.address import Address
from core.tron.secp256k1 import InvalidSignature, recover
from gateways.devnet.chain.block import Included
from gateways.devnet.execution.execution import execute
from gateways.devnet.execution.outcome import Context, Outcome, Refused
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import OWNER_PERMISSION, Account, Permission
from gateways.devnet.state.state import Head, Overlay, State
from gateways.devnet.state.transaction import Transaction

PENDING_MAX = 2_000
PENDING_SLOTS = 20
"""How long a transaction waits at most: mainnet's 60 s, in slots of whatever length."""
TRANSACTION_BYTES_MAX = 500 * 1024
BLOCK_BYTES_MAX = 2_000_000
EXPIRATION_WINDOW_MS = 86_400_000
SIGNATURES_MAX = 5
SIGNATURE_BYTES_MIN = 65
"""Longer is let pass, as java-tron does: what follows the 65 is not looked at."""
HEADERS = range(27, 35)
"""The last of the 65 bytes, 27 added where it is less: from 31 on it says that a key is compressed, which is ignored."""


Check = Callable[[State, Transaction], None]
"""Whether a transaction is still signed by who may, and refers to a block of this chain. Raises Refused."""


class Malformed(Refused):
    """What stands where a signature should cannot be one."""


class Waiting(msgspec.Struct, frozen=True):
    """A transaction in the pool: when it came, and how its trial ended."""

    transaction: Transaction
    arrived_ms: int
    trial: Outcome


class Pool:
    """The transactions waiting on one head; `rebase` moves them to the next."""

    def __init__(self, head: Head, check: Check, timeout_ms: int) -> None:
        self._head = head
        self._check = check
        self._timeout_ms = timeout_ms
        self._state = Overlay(head)
        self._waiting: dict[str, Waiting] = {}
        self.withheld: set[str] = set()
        """Transactions that wait and are given to no block, as on a node that forwards nothing."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def state(self) -> State:
        """The head's state under all that waits, as java-tron's /wallet shows it: some of it may come into no block."""
        return self._state

    def find(self, txid: str) -> Waiting | None:
        return self._waiting.get(txid)

    def txids(self) -> list[str]:
        return list(self._waiting)

    def transactions(self) -> list[Transaction]:
        """What the next block may hold, in order."""
        return [waiting.transaction for txid, waiting in self._waiting.items() if txid not in self.withheld]

    def add(self, transaction: Transaction, context: Context, now_ms: int) -> None:
        """Try a transaction on the pending state and keep it. Raises Refused."""
        attempt = Overlay(self._state)
        outcome = execute(attempt, transaction, context)
        self._state.merge(attempt)
        self._waiting[transaction.txid] = Waiting(transaction, now_ms, outcome)

    def rebase(
        self,
        included: tuple[Included, ...],
        context: Context,
        next_slot_ms: int,
        now_ms: int,
        returned: Sequence[Transaction] = (),
    ) -> None:
        """Forget what a new head includes, what expired and what waited too long; try the rest anew.

        `returned` are transactions of blocks taken back: they come before what waits, as java-tron's re-push has it.
        """
        entries = [(transaction, now_ms) for transaction in returned]
        entries += [(waiting.transaction, waiting.arrived_ms) for waiting in self._waiting.values()]
        gone = {each.transaction.txid for each in included}
        self._waiting, self._state = {}, Overlay(self._head)
        for transaction, arrived_ms in entries:
            timely = is_timely(transaction, context.parent_ms, next_slot_ms)
            if timely and transaction.txid not in gone and now_ms - arrived_ms < self._timeout_ms:
                self._readd(transaction, context, arrived_ms)

    def _readd(self, transaction: Transaction, context: Context, arrived_ms: int) -> None:
        """Put back what was admitted before; what this head refuses is forgotten."""
        try:
            self._check(self._state, transaction)
            self.add(transaction, context, arrived_ms)
        except Refused:
            return


def pack(
    state: Overlay, transactions: Iterable[Transaction], check: Check, context: Context, next_slot_ms: int
) -> tuple[Included, ...]:
    """Execute transactions in order until a block is full; what cannot be applied is left out."""
    included = []
    room = BLOCK_BYTES_MAX
    for transaction in transactions:
        room -= transaction.bandwidth
        if room < 0:
            break
        if not is_timely(transaction, context.parent_ms, next_slot_ms):
            continue
        attempt = Overlay(state)
        try:
            check(attempt, transaction)
            outcome = execute(attempt, transaction, context)
        except Refused:
            continue
        state.merge(attempt)
        included.append(Included(transaction, outcome))
    return tuple(included)


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
    account = accounts.find(state, transaction.owner) or Account(transaction.owner, created_ms=0)
    permission = account.permission(transaction.permission_id)
    if permission is None:
        raise _unsigned("permission isn't exit")
    if transaction.permission_id != OWNER_PERMISSION and not allows(permission.operations, transaction.kind):
        raise _unsigned("Permission denied")
    weight, _ = weigh(permission, transaction)
    if weight < permission.threshold:
        raise _unsigned("sig error")


def weigh(permission: Permission, transaction: Transaction) -> tuple[int, list[Address]]:
    """-> what the signatures weigh together, and whose they are (TransactionCapsule.checkWeight). Raises Refused, SIGERROR."""
    signatures, weights = transaction.signatures, dict(permission.keys)
    if len(signatures) > len(weights):
        raise _unsigned(
            f"Signature count is {len(signatures)} more than key counts of permission : {len(permission.keys)}"
        )
    signers: list[Address] = []
    for signature in signatures:
        signer = signer_of(transaction, signature)
        if signer not in weights:
            raise _unsigned(f"{signature.hex()} is signed by {signer} but it is not contained of permission.")
        if signer in signers:
            raise _unsigned(f"{signer} has signed twice!")
        signers.append(signer)
    return sum(weights[signer] for signer in signers), signers


@functools.lru_cache(maxsize=4 * PENDING_MAX)
def _recovered(txid: str, signature: bytes) -> Address:
    return recover(bytes.fromhex(txid), signature)


def signer_of(transaction: Transaction, signature: bytes) -> Address:
    """Whose signature it is, allowed to sign or not. Raises Refused, SIGERROR; `Malformed` where it is too short to be one."""
    if len(signature) < SIGNATURE_BYTES_MIN:
        words = f"Signature size is {len(signature)}"
        raise Malformed("SIGERROR", f"Validate signature error: {words}", words)
    header = signature[64] + 27 if signature[64] < HEADERS.start else signature[64]
    if header not in HEADERS:
        raise _unsigned(f"java.security.SignatureException: Header byte out of range: {header}")
    recovery_id = (header - HEADERS.start) % 4
    if recovery_id > 1:
        raise _unsigned("java.security.SignatureException: Could not recover public key from signature")
    try:
        return _recovered(transaction.txid, signature[:64] + bytes([recovery_id]))
    except InvalidSignature as error:
        raise _unsigned(str(error)) from error


def allows(operations: bytes, kind: int) -> bool:
    return bool(operations[kind // 8] >> kind % 8 & 1) if kind // 8 < len(operations) else False


def _unsigned(message: str) -> Refused:
    return Refused("SIGERROR", f"Validate signature error: {message}", message)
