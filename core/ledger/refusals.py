"""Every expected refusal: the class name in snake_case is its code, the docstring its sentence, the fields its data.

A refusal is a value: it is answered or recorded, never logged as an error.
"""

import re
from typing import Any, ClassVar, Final

import msgspec

from core.ledger.money import format_amount

REJECTIONS: Final[dict[str, type["Refusal"]]] = {}


class Refusal(msgspec.Struct, frozen=True):
    """The base of all refusals; `status` is the HTTP status that fits it."""

    status: ClassVar[int] = 422

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        REJECTIONS[code_of(cls)] = cls

    @property
    def code(self) -> str:
        return code_of(type(self))

    @property
    def detail(self) -> str:
        """The docstring with the fields filled in."""
        return sentence_of(type(self)).format(**data_of(self))


def code_of(kind: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def sentence_of(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())


def data_of(refusal: Refusal) -> dict[str, Any]:
    return {name: getattr(refusal, name) for name in refusal.__struct_fields__}


def restore(code: str, data: dict[str, Any]) -> Refusal:
    """A refusal that was recorded earlier, as it was; one that this program does not know is told by its code."""
    try:
        return msgspec.convert(data, REJECTIONS[code])
    except (KeyError, msgspec.ValidationError):
        return RefusedBefore(refused_code=code)


class RefusedBefore(Refusal, frozen=True):
    """This was refused before, with the code {refused_code}."""

    refused_code: str


class InsufficientFunds(Refusal, frozen=True):
    """The ledger account {ledger_account} holds {available} {currency}, and {required} is needed, fee included."""

    ledger_account: str
    available: str
    required: str
    currency: str

    @classmethod
    def of(cls, ledger_account: str, available_minor: int, required_minor: int, currency: str) -> "InsufficientFunds":
        return cls(
            ledger_account=ledger_account,
            available=format_amount(available_minor, currency),
            required=format_amount(required_minor, currency),
            currency=currency,
        )


class InvalidAddress(Refusal, frozen=True):
    """This is no Tron address: {reason}."""

    reason: str


class AddressNotPayable(Refusal, frozen=True):
    """Payouts cannot go to {address}: {reason}."""

    address: str
    reason: str


class AccountSuspended(Refusal, frozen=True):
    """The account is suspended: deposits are still booked, but nothing can be paid out or created."""

    status: ClassVar[int] = 403


class AccountNotFound(Refusal, frozen=True):
    """There is no such account."""

    status: ClassVar[int] = 404


class NotFound(Refusal, frozen=True):
    """There is no such {noun}."""

    status: ClassVar[int] = 404

    noun: str


class AmountBelowMinimum(Refusal, frozen=True):
    """The smallest amount is {minimum} {currency}."""

    minimum: str
    currency: str


class AmountOutOfRange(Refusal, frozen=True):
    """The amount, or the sum that an account would have with it, is more than a ledger account can hold."""


class LedgerAccountNotFound(Refusal, frozen=True):
    """The account has no open liability account with the code {ledger_account}: see GET /v1/ledger-accounts."""

    ledger_account: str


class LedgerAccountExists(Refusal, frozen=True):
    """The account already has a ledger account with the code {account_code}."""

    status: ClassVar[int] = 409

    account_code: str


class SameLedgerAccount(Refusal, frozen=True):
    """A transfer needs two different ledger accounts."""


class TransferNotAccepted(Refusal, frozen=True):
    """No transfer is taken there: ask its owner for the id and the code, and to accept transfers (accept_transfers)."""


class RefusedTransfer(msgspec.Struct, frozen=True):
    """Which of a batch, from 0, and why."""

    number: int
    code: str
    data: dict[str, Any]


class TransfersRefused(Refusal, frozen=True):
    """{count} of the transfers cannot be posted, so none was: `errors` names each. What is right now can be sent again."""

    count: int
    transfers: tuple[RefusedTransfer, ...]


class PayoutNotCancellable(Refusal, frozen=True):
    """The payout is {state}: only a requested payout can be cancelled."""

    status: ClassVar[int] = 409

    state: str


class PayoutNotWaiting(Refusal, frozen=True):
    """The payout is {state}: only one that waits in its lane can be expedited."""

    status: ClassVar[int] = 409

    state: str


class PayoutNotApprovable(Refusal, frozen=True):
    """The payout is {state}: there is nothing left to approve."""

    status: ClassVar[int] = 409

    state: str


class DigestDiffers(Refusal, frozen=True):
    """The digest that was signed is not this payout's: see `counterfoil payouts show`, and sign what stands there."""


class PermissionsNotPossible(Refusal, frozen=True):
    """No account of ours can have these permissions: {reason}."""

    reason: str


class DeclaredMeanwhile(Refusal, frozen=True):
    """Other permissions were declared meanwhile: see `counterfoil wallets permissions show`, and sign what stands there."""

    status: ClassVar[int] = 409


class NotBeforeOutOfRange(Refusal, frozen=True):
    """not_before lies more than {days_max} days ahead."""

    days_max: int


class PriorityNotAllowed(Refusal, frozen=True):
    """The API key lacks the permission payouts:priority, which a payout of high priority takes."""

    status: ClassVar[int] = 403


class AddressesExhausted(Refusal, frozen=True):
    """No deposit address is ready yet: the signer is making more, try again in a few seconds."""

    status: ClassVar[int] = 503


class AddressTaken(Refusal, frozen=True):
    """The deposit address {address} is already assigned: another one must be taken from the pool."""

    status: ClassVar[int] = 409

    address: str


class IdempotencyKeyMissing(Refusal, frozen=True):
    """This request creates something: send an Idempotency-Key header of 1 to 255 printable characters."""

    status: ClassVar[int] = 400


class IdempotencyKeyInvalid(Refusal, frozen=True):
    """The Idempotency-Key must be 1 to 255 printable ASCII characters."""

    status: ClassVar[int] = 400


class IdempotencyInProgress(Refusal, frozen=True):
    """The first request with this Idempotency-Key is still running: repeat this one in a moment."""

    status: ClassVar[int] = 409


class IdempotencyKeyReused(Refusal, frozen=True):
    """This Idempotency-Key was used with another body; these fields differ: {fields}."""

    fields: str


class WalletExists(Refusal, frozen=True):
    """The {role} wallet is already registered with the address {address}."""

    status: ClassVar[int] = 409

    role: str
    address: str


class RotationUnderWay(Refusal, frozen=True):
    """The {role} wallet is being rotated already: `counterfoil wallets list` shows how far that is."""

    status: ClassVar[int] = 409

    role: str


class SeedRotationUnderWay(Refusal, frozen=True):
    """Another deposit seed is asked for already: the process addresses takes it up."""

    status: ClassVar[int] = 409


class NoColdWallet(Refusal, frozen=True):
    """There is no cold wallet that coins could go to. Name one with `counterfoil wallets register cold ADDRESS`."""

    status: ClassVar[int] = 409


class UnbalancedEntry(Refusal, frozen=True):
    """The postings do not balance: {reason}."""

    reason: str


class CustodyNotMatched(Refusal, frozen=True):
    """Clients' claims would change by {claimed} {currency} and Custody_Control by {held}: what clients may claim is what the
    treasury holds for them, so an adjustment changes System_Hot_Wallet_Asset and Custody_Control by the same."""

    claimed: str
    held: str
    currency: str


class WalletNotAsOnChain(Refusal, frozen=True):
    """{ledger_account} is what the chain shows of a wallet: the books have {booked} {currency} there and the chain {found}, so
    an adjustment cannot change it by {change}. Coins that came or left are booked when they are seen: see reconcile."""

    ledger_account: str
    currency: str
    booked: str
    found: str
    change: str


class ConflictingFacts(Refusal, frozen=True):
    """{stream} is already recorded with other facts ({difference}): this is an alarm, not a duplicate."""

    status: ClassVar[int] = 409

    stream: str
    difference: str


class WrongState(Refusal, frozen=True):
    """{stream} is {state}, so it cannot be {wish}."""

    status: ClassVar[int] = 409

    stream: str
    state: str
    wish: str


class SigningIsStopped(Refusal, frozen=True):
    """Signing is stopped ({causes}): an operator has to look before anything more is signed."""

    status: ClassVar[int] = 503

    causes: str


class StoreIsOlder(Refusal, frozen=True):
    """This store is not the newest of its name: {sentence}."""

    status: ClassVar[int] = 503

    sentence: str


class MayBePaidAlready(Refusal, frozen=True):
    """A transfer of this amount to this payee left in history that was lost ({txid}): it waits until that is attributed."""

    status: ClassVar[int] = 409

    txid: str


class RestoreNotSettled(Refusal, frozen=True):
    """The history was restored, and what it lost is not settled: {reason}."""

    status: ClassVar[int] = 409

    reason: str


class AlreadyAttributed(Refusal, frozen=True):
    """The transfer {txid} is {state} already."""

    status: ClassVar[int] = 409

    txid: str
    state: str


class PayoutNotAttributable(Refusal, frozen=True):
    """The transfer {txid} cannot be this payout: {reason}."""

    status: ClassVar[int] = 409

    txid: str
    reason: str


class StreamStopped(Refusal, frozen=True):
    """{stream} holds an event that cannot be read: nothing is added to it until an operator has looked at that."""

    status: ClassVar[int] = 409

    stream: str


class NotSwitchedOn(Refusal, frozen=True):
    """{kind} is written once every process is of the new version and an operator has finished the upgrade: try again then."""

    status: ClassVar[int] = 503

    kind: str


class PayoutsFrozen(Refusal, frozen=True):
    """Nothing leaves the account until an operator has looked at its history; deposits are booked. Use another key then."""

    status: ClassVar[int] = 403
