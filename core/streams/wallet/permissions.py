"""Who may sign for our wallets: what is declared, on each wallet's stream, and where the chain differs, on the address' own.

    wallet-{role}:          PermissionsDeclared -> (PermissionsApproved)* -> PermissionsDeclared ...
    permissions-{address}:  PermissionsDiffer*

A declaration says what the chain is to show: it changes nothing there and moves no coins. Who appends it proves nothing either:
a signer that has a list of approvers believes a declaration once enough of them have signed its digest. The digest holds the
declaration's number, so that what was approved once cannot be declared again by somebody else.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final, Self

import msgspec

from core.ledger.events import Event, New, Recorded, event
from core.ledger.guard import GuardKey
from core.ledger.ledger import Past
from core.ledger.refusals import DeclaredMeanwhile, NotFound, PermissionsNotPossible, Refusal
from core.streams.signing import SIGNING, PermissionsAgreed, Signing, SigningStopped
from core.streams.treasury import Role, Wallet, wallet_stream
from core.tron.permissions import PermissionSet, problem_of

CAUSE: Final = "wallet_permission_changed"
SIGNED_AS: Final = b"counterfoil-permissions-v1|"


def permissions_stream(address: str) -> str:
    return f"permissions-{address}"


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("wallet.permissions-declared", by="signer", level=2)
class PermissionsDeclared(Event, frozen=True, kw_only=True):
    """From now on the chain is to show exactly these for the address. `number` counts the wallet's declarations."""

    role: Role
    address: str
    number: int
    permissions: PermissionSet


@event("wallet.permissions-approved", by="signer", level=2)
class PermissionsApproved(Event, frozen=True, kw_only=True):
    """`signature`: the approver's, by Ed25519 over the digest's 32 bytes; both in hex. Worth what the signer makes of it."""

    role: Role
    address: str
    number: int
    approver: str
    digest: str
    signature: str


@event("wallet.permissions-differ", by="signer", level=2)
class PermissionsDiffer(Event, frozen=True, kw_only=True):
    """The chain shows other permissions than are declared, or another key than the address' own where nothing is."""

    wallet: str
    address: str
    difference: str

    @property
    def sentence(self) -> str:
        return f"Of {self.address}, our {self.wallet} wallet, {self.difference}"


# State


class Declaration(msgspec.Struct, frozen=True):
    """What was declared, and whose signatures over it are recorded: (name, signature)."""

    declared: PermissionsDeclared
    approvals: tuple[PermissionsApproved, ...] = ()

    @property
    def digest(self) -> bytes:
        return permissions_digest(self.declared)


class Declarations(msgspec.Struct, frozen=True):
    """All of one wallet, the oldest first."""

    made: tuple[Declaration, ...] = ()

    def evolve(self, happened: Event) -> Self:
        match happened:
            case PermissionsDeclared():
                return msgspec.structs.replace(self, made=(*self.made, Declaration(happened)))
            case PermissionsApproved():
                made = [_approved(each, happened) for each in self.made]
                return msgspec.structs.replace(self, made=tuple(made))
        return self

    def of(self, address: str) -> Sequence[Declaration]:
        """Those of this address, the newest first."""
        return [each for each in reversed(self.made) if each.declared.address == address]


def _approved(known: Declaration, approved: PermissionsApproved) -> Declaration:
    if known.declared.number != approved.number:
        return known
    return msgspec.structs.replace(known, approvals=(*known.approvals, approved))


def declarations_of(histories: Iterable[Sequence[Recorded]]) -> dict[str, Sequence[Declaration]]:
    """By address, each newest first, from the histories of wallets' streams."""
    found: dict[str, Sequence[Declaration]] = {}
    for history in histories:
        state = Declarations()
        for recorded in history:
            state = state.evolve(recorded.event)
        found |= {each.declared.address: state.of(each.declared.address) for each in state.made}
    return found


def canonical_declaration(declared: PermissionsDeclared) -> bytes:
    """The declaration as JSON: its fields by name, in the order of the alphabet, without spaces, in UTF-8."""
    fields = ("address", "number", "permissions", "role")
    return msgspec.json.encode({name: getattr(declared, name) for name in fields}, order="sorted")


def permissions_digest(declared: PermissionsDeclared) -> bytes:
    """What an approver signs: SHA-256 over "counterfoil-permissions-v1|" and the canonical declaration."""
    return sha256(SIGNED_AS + canonical_declaration(declared)).digest()


# Decisions


class _WalletCommand(msgspec.Struct, frozen=True, kw_only=True):
    """About one wallet's declarations."""

    role: Role
    address: str
    actor: str

    def streams(self) -> list[str]:
        return [wallet_stream(self.role)]

    def guards(self) -> list[GuardKey]:
        return []

    def _made(self, past: Past) -> Declarations:
        return past.state(wallet_stream(self.role), Declarations())


class DeclarePermissions(_WalletCommand, frozen=True, kw_only=True):
    """Say what the chain is to show. Refused for what no account can have, and for an address that does not play the role."""

    permissions: PermissionSet

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        registered = past.state(wallet_stream(self.role), Wallet()).registered
        if registered is None or registered.address != self.address:
            return NotFound(noun=f"{self.role} wallet {self.address}")
        if problem := problem_of(self.permissions):
            return PermissionsNotPossible(reason=problem)
        made = self._made(past)
        newest = next(iter(made.of(self.address)), None)
        if newest is not None and newest.declared.permissions == self.permissions:
            return ()
        declared = PermissionsDeclared(
            occurred_at=now,
            actor=self.actor,
            role=self.role,
            address=self.address,
            number=len(made.made) + 1,
            permissions=self.permissions,
        )
        return [New(wallet_stream(self.role), declared)]


class ApprovePermissions(_WalletCommand, frozen=True, kw_only=True):
    """Record an approver's signature over the newest declaration. The same again changes nothing."""

    approver: str
    digest: str
    signature: str

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        newest = next(iter(self._made(past).of(self.address)), None)
        if newest is None:
            return NotFound(noun=f"declaration for the {self.role} wallet {self.address}")
        if self.digest != newest.digest.hex():
            return DeclaredMeanwhile()
        if any((it.approver, it.signature) == (self.approver, self.signature) for it in newest.approvals):
            return ()
        approved = PermissionsApproved(
            occurred_at=now,
            actor=self.actor,
            role=self.role,
            address=self.address,
            number=newest.declared.number,
            approver=self.approver,
            digest=self.digest,
            signature=self.signature,
        )
        return [New(wallet_stream(self.role), approved)]


class StopForPermissions(msgspec.Struct, frozen=True, kw_only=True):
    """Record in what the chain differs, and stop signing for it; what is recorded already, once."""

    wallet: str
    address: str
    difference: str
    actor: str

    def streams(self) -> list[str]:
        return [permissions_stream(self.address), SIGNING]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:
        stream = permissions_stream(self.address)
        news: list[New] = []
        last = next(
            (it.event for it in reversed(past.history(stream)) if isinstance(it.event, PermissionsDiffer)), None
        )
        stops = stream in past.state(SIGNING, Signing()).streams.get(CAUSE, ())
        if last is None or last.difference != self.difference or not stops:
            differ = PermissionsDiffer(
                occurred_at=now,
                actor=self.actor,
                wallet=self.wallet,
                address=self.address,
                difference=self.difference,
            )
            news.append(New(stream, differ))
        if not stops:
            stopped = SigningStopped(occurred_at=now, actor=self.actor, cause=CAUSE, stream=stream, moment=None)
            news.append(New(SIGNING, stopped))
        return news


class AgreeOnPermissions(msgspec.Struct, frozen=True, kw_only=True):
    """What stopped signing, as far as the caller has looked, is as it was declared: that cause is over.

    `seen` are the streams whose addresses it held against the chain; one that came since goes on stopping.
    """

    seen: tuple[str, ...]
    actor: str

    def streams(self) -> list[str]:
        return [SIGNING]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:
        holding = past.state(SIGNING, Signing()).streams.get(CAUSE, ())
        if not holding or set(holding) - set(self.seen):
            return ()
        return [New(SIGNING, PermissionsAgreed(occurred_at=now, actor=self.actor, streams=holding))]
