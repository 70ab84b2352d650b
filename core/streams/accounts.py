"""Stream account-{id}: a company registers, is renamed, suspended, reactivated; its webhook and its secret change.
Stream ledger-account-{id}: a ledger account is opened in the company's book.

    AccountRegistered -> (AccountRenamed | AccountSuspended | AccountReactivated | WebhookUrlChanged |
                          WebhookDisabled | WebhookSecretRotated | TransferConsentChanged)*
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, Self

import msgspec

from core.ledger.books import CLIENT_CHART
from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey, guard_key
from core.ledger.journal import AccountType, ledger_account_id
from core.ledger.ledger import Past
from core.ledger.refusals import (
    AccountNotFound,
    AccountSuspended,
    IdempotencyKeyReused,
    LedgerAccountExists,
    Refusal,
)

Status = Literal["absent", "active", "suspended"]
GUARDED_CURRENCIES: Final = ("USDT",)

OPERATOR: Final = "operator"
"""The account of what concerns the operator. No client's: theirs are UUIDs."""


def account_stream(account_id: str) -> str:
    return f"account-{account_id}"


def ledger_account_stream(account_id: str, code: str) -> str:
    return f"ledger-account-{ledger_account_id(account_id, code)}"


# Events: stored as they are for ever, so a change is a new version and an upcast


@event(
    "account.registered",
    by="api",
    shown=("name", "webhook_url"),
)
class AccountRegistered(Event, frozen=True, kw_only=True):
    account_id: str
    name: str
    webhook_url: str | None


@event("account.renamed", by="api", shown=("name",))
class AccountRenamed(Event, frozen=True, kw_only=True):
    account_id: str
    name: str


@event("account.suspended", by="api", shown=())
class AccountSuspendedEvent(Event, frozen=True, kw_only=True):
    account_id: str


@event("account.reactivated", by="api", shown=())
class AccountReactivated(Event, frozen=True, kw_only=True):
    account_id: str


@event("account.webhook-url-changed", by="api", shown=("webhook_url",))
class WebhookUrlChanged(Event, frozen=True, kw_only=True):
    account_id: str
    webhook_url: str | None


@event("account.webhook-disabled", by="webhooks", shown=("webhook_url",))
class WebhookDisabled(Event, frozen=True, kw_only=True):
    """The endpoint said that it is gone (410): nothing is sent to it any more."""

    account_id: str
    webhook_url: str


@event("account.webhook-secret-rotated", by="api", shown=("generation",))
class WebhookSecretRotated(Event, frozen=True, kw_only=True):
    """The secret itself is derived from a master key and this generation; it is in no event (I13)."""

    account_id: str
    generation: int


@event("account.transfer-consent-changed", by="api", shown=("accept_transfers",))
class TransferConsentChanged(Event, frozen=True, kw_only=True):
    """Whether other accounts may transfer to this one. Until it is said, they may not."""

    account_id: str
    accept_transfers: bool


@event(
    "ledger-account.opened",
    by="api",
    shown=("code", "ledger_account_id", "name", "type"),
)
class LedgerAccountOpened(Event, frozen=True, kw_only=True):
    account_id: str
    ledger_account_id: str
    code: str
    name: str
    type: AccountType

    def opens_guard(self) -> Sequence[GuardKey]:
        if self.type != "liability":
            return ()
        return [guard_key(self.account_id, self.code, currency) for currency in GUARDED_CURRENCIES]


# State


class Account(msgspec.Struct, frozen=True):
    """What decisions know of an account."""

    status: Status = "absent"
    name: str = ""
    webhook_url: str | None = None
    secret_generation: int = 1
    accept_transfers: bool = False

    def evolve(self, happened: Event) -> Self:
        match happened:
            case AccountRegistered():
                return msgspec.structs.replace(
                    self, status="active", name=happened.name, webhook_url=happened.webhook_url
                )
            case AccountRenamed():
                return msgspec.structs.replace(self, name=happened.name)
            case AccountSuspendedEvent():
                return msgspec.structs.replace(self, status="suspended")
            case AccountReactivated():
                return msgspec.structs.replace(self, status="active")
            case WebhookUrlChanged():
                return msgspec.structs.replace(self, webhook_url=happened.webhook_url)
            case WebhookDisabled():
                return msgspec.structs.replace(self, webhook_url=None)
            case WebhookSecretRotated():
                return msgspec.structs.replace(self, secret_generation=happened.generation)
            case TransferConsentChanged():
                return msgspec.structs.replace(self, accept_transfers=happened.accept_transfers)
        return self


class LedgerAccount(msgspec.Struct, frozen=True):
    """What decisions know of a ledger account: how it was opened, if it was."""

    opened: LedgerAccountOpened | None = None

    def evolve(self, happened: Event) -> Self:
        return msgspec.structs.replace(self, opened=happened) if isinstance(happened, LedgerAccountOpened) else self


_NO_ACCOUNT: Final = Account()


# Decisions


def must_be_active(past: Past, account_id: str) -> Refusal | None:
    """Why this account may not act now, or None."""
    match past.state(account_stream(account_id), _NO_ACCOUNT).status:
        case "absent":
            return AccountNotFound()
        case "suspended":
            return AccountSuspended()
    return None


class RegisterAccount(msgspec.Struct, frozen=True):
    """Open an account with its three standard ledger accounts."""

    account_id: str
    name: str
    webhook_url: str | None
    actor: str

    def streams(self) -> list[str]:
        return [account_stream(self.account_id)]

    def guards(self) -> list[GuardKey]:
        return [guard_key(self.account_id, code) for code in CLIENT_CHART]

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        if past.state(account_stream(self.account_id), Account()).status != "absent":
            first = past.history(account_stream(self.account_id))[0].event
            assert isinstance(first, AccountRegistered)
            differing = [f for f in ("name", "webhook_url") if getattr(first, f) != getattr(self, f)]
            return IdempotencyKeyReused(fields=", ".join(differing)) if differing else ()
        registered = AccountRegistered(
            occurred_at=now,
            actor=self.actor,
            account_id=self.account_id,
            name=self.name,
            webhook_url=self.webhook_url,
        )
        return [
            New(account_stream(self.account_id), registered),
            *(_open(self.account_id, code, name, kind, now, self.actor) for code, (kind, name) in CLIENT_CHART.items()),
        ]


class ChangeAccount(msgspec.Struct, frozen=True):
    """Set what is given: name, status, webhook_url (UNSET leaves it, None removes it), accept_transfers."""

    account_id: str
    actor: str
    name: str | msgspec.UnsetType = msgspec.UNSET
    status: Literal["active", "suspended"] | msgspec.UnsetType = msgspec.UNSET
    webhook_url: str | None | msgspec.UnsetType = msgspec.UNSET
    accept_transfers: bool | msgspec.UnsetType = msgspec.UNSET

    def streams(self) -> list[str]:
        return [account_stream(self.account_id)]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        stream = account_stream(self.account_id)
        account = past.state(stream, Account())
        if account.status == "absent":
            return AccountNotFound()
        news: list[Event] = []
        if self.name is not msgspec.UNSET and self.name != account.name:
            news.append(AccountRenamed(occurred_at=now, actor=self.actor, account_id=self.account_id, name=self.name))
        if self.webhook_url is not msgspec.UNSET and self.webhook_url != account.webhook_url:
            news.append(
                WebhookUrlChanged(
                    occurred_at=now, actor=self.actor, account_id=self.account_id, webhook_url=self.webhook_url
                )
            )
        if self.status is not msgspec.UNSET and self.status != account.status:
            change = AccountSuspendedEvent if self.status == "suspended" else AccountReactivated
            news.append(change(occurred_at=now, actor=self.actor, account_id=self.account_id))
        if self.accept_transfers is not msgspec.UNSET and self.accept_transfers != account.accept_transfers:
            news.append(
                TransferConsentChanged(
                    occurred_at=now,
                    actor=self.actor,
                    account_id=self.account_id,
                    accept_transfers=self.accept_transfers,
                )
            )
        return [New(stream, item) for item in news]


class DisableWebhook(msgspec.Struct, frozen=True):
    """Remove a webhook URL that says it is gone; another one that was set meanwhile stays."""

    account_id: str
    webhook_url: str
    actor: str

    def streams(self) -> list[str]:
        return [account_stream(self.account_id)]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        stream = account_stream(self.account_id)
        if past.state(stream, Account()).webhook_url != self.webhook_url:
            return ()
        gone = WebhookDisabled(
            occurred_at=now, actor=self.actor, account_id=self.account_id, webhook_url=self.webhook_url
        )
        return [New(stream, gone)]


class RotateWebhookSecret(msgspec.Struct, frozen=True):
    """Begin a new generation of the webhook secret; the old one signs beside it for 24 hours."""

    account_id: str
    expected_generation: int
    actor: str

    def streams(self) -> list[str]:
        return [account_stream(self.account_id)]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        account = past.state(account_stream(self.account_id), Account())
        if account.status == "absent":
            return AccountNotFound()
        if account.secret_generation > self.expected_generation:
            return ()
        rotated = WebhookSecretRotated(
            occurred_at=now,
            actor=self.actor,
            account_id=self.account_id,
            generation=self.expected_generation + 1,
        )
        return [New(account_stream(self.account_id), rotated)]


class OpenLedgerAccount(msgspec.Struct, frozen=True):
    """Open a ledger account with a code of the client's own."""

    account_id: str
    code: str
    name: str
    type: AccountType
    actor: str

    def streams(self) -> list[str]:
        return [ledger_account_stream(self.account_id, self.code), account_stream(self.account_id)]

    def guards(self) -> list[GuardKey]:
        return [guard_key(self.account_id, self.code, currency) for currency in GUARDED_CURRENCIES]

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        refusal = must_be_active(past, self.account_id)
        if refusal:
            return refusal
        if past.state(ledger_account_stream(self.account_id, self.code), LedgerAccount()).opened is not None:
            return LedgerAccountExists(account_code=self.code)
        return [_open(self.account_id, self.code, self.name, self.type, now, self.actor)]


def _open(account_id: str, code: str, name: str, kind: AccountType, now: datetime, actor: str) -> New:
    opened = LedgerAccountOpened(
        occurred_at=now,
        actor=actor,
        account_id=account_id,
        ledger_account_id=str(ledger_account_id(account_id, code)),
        code=code,
        name=name,
        type=kind,
    )
    return New(ledger_account_stream(account_id, code), opened)
