"""Every expected refusal: the class name in snake_case is its code, the docstring its sentence, the fields its data.

A refusal is a value: it is answered or recorded, never logged as an error.
"""

import re
from typing import Any, ClassVar, Final

import msgspec

REJECTIONS: Final[dict[str, type["Rejection"]]] = {}


class Rejection(msgspec.Struct, frozen=True):
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


def data_of(rejection: Rejection) -> dict[str, Any]:
    return {name: getattr(rejection, name) for name in rejection.__struct_fields__}


def restore(code: str, data: dict[str, Any]) -> Rejection:
    """A refusal that was recorded earlier, as it was."""
    return msgspec.convert(data, REJECTIONS[code])


class InsufficientFunds(Rejection, frozen=True):
    """The ledger account {ledger_account} holds {available} {currency}, and {required} is needed, fee included."""

    ledger_account: str
    available: str
    required: str
    currency: str


class InvalidAddress(Rejection, frozen=True):
    """This is no Tron address: {reason}."""

    reason: str


class AddressNotPayable(Rejection, frozen=True):
    """Payouts cannot go to {address}: {reason}."""

    address: str
    reason: str


class AccountSuspended(Rejection, frozen=True):
    """The account is suspended: deposits are still booked, but nothing can be paid out or created."""

    status: ClassVar[int] = 403


class AccountNotFound(Rejection, frozen=True):
    """There is no such account."""

    status: ClassVar[int] = 404


class NotFound(Rejection, frozen=True):
    """There is no such {noun}."""

    status: ClassVar[int] = 404

    noun: str


class AmountBelowMinimum(Rejection, frozen=True):
    """The smallest amount is {minimum} {currency}."""

    minimum: str
    currency: str


class AmountOutOfRange(Rejection, frozen=True):
    """The amount and its fee together exceed what a ledger account can hold."""


class LedgerAccountNotFound(Rejection, frozen=True):
    """The account has no open liability account with the code {ledger_account}: see GET /v1/ledger-accounts."""

    ledger_account: str


class LedgerAccountExists(Rejection, frozen=True):
    """The account already has a ledger account with the code {account_code}."""

    status: ClassVar[int] = 409

    account_code: str


class SameLedgerAccount(Rejection, frozen=True):
    """A transfer needs two different ledger accounts."""


class PayoutNotCancellable(Rejection, frozen=True):
    """The payout is {state}: only a requested payout can be cancelled."""

    status: ClassVar[int] = 409

    state: str


class PayinNotDisablable(Rejection, frozen=True):
    """The payin is already disabled."""

    status: ClassVar[int] = 409


class AddressesExhausted(Rejection, frozen=True):
    """No deposit address is ready yet: the signer is making more, try again in a few seconds."""

    status: ClassVar[int] = 503


class AddressTaken(Rejection, frozen=True):
    """The deposit address {address} is already assigned: another one must be taken from the pool."""

    status: ClassVar[int] = 409

    address: str


class IdempotencyKeyMissing(Rejection, frozen=True):
    """This request creates something: send an Idempotency-Key header of 1 to 255 printable characters."""

    status: ClassVar[int] = 400


class IdempotencyKeyInvalid(Rejection, frozen=True):
    """The Idempotency-Key must be 1 to 255 printable ASCII characters."""

    status: ClassVar[int] = 400


class IdempotencyInProgress(Rejection, frozen=True):
    """The first request with this Idempotency-Key is still running: repeat this one in a moment."""

    status: ClassVar[int] = 409


class IdempotencyKeyReused(Rejection, frozen=True):
    """This Idempotency-Key was used with another body; these fields differ: {fields}."""

    fields: str


class WalletExists(Rejection, frozen=True):
    """The {role} wallet is already registered with the address {address}."""

    status: ClassVar[int] = 409

    role: str
    address: str


class UnbalancedEntry(Rejection, frozen=True):
    """The postings do not balance: {reason}."""

    reason: str


class ConflictingFacts(Rejection, frozen=True):
    """{stream} is already recorded with other facts ({difference}): this is an alarm, not a duplicate."""

    status: ClassVar[int] = 409

    stream: str
    difference: str


class WrongState(Rejection, frozen=True):
    """{stream} is {state}, so it cannot be {wish}."""

    status: ClassVar[int] = 409

    stream: str
    state: str
    wish: str


class SigningIsStopped(Rejection, frozen=True):
    """Signing is stopped ({causes}): an operator has to look before anything more is signed."""

    status: ClassVar[int] = 503

    causes: str
