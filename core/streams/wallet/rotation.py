"""Stream wallet-{role}: the hot or the gas wallet gets another key, and the old one is emptied.

    WalletRotationAsked -> WalletRotationGivenUp
    WalletRotationAsked -> WalletRotationBegun, with SystemWalletRegistered of the new address -> WalletRetired

Who signs for the wallet makes the new key beside the old one, and proves that it signs, before anything names its address.
From then on the new one pays, and the old one makes nothing but what empties it (instructions of the purpose `rotation`,
to the wallet in its place): that is held under the append lock, where bytes are prepared. It is retired when the chain shows
nothing there any more; it stays ours for ever.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, Self

import msgspec

from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey
from core.ledger.ledger import Past
from core.ledger.refusals import NotFound, Refusal, RotationUnderWay, WrongState
from core.streams.treasury import WALLET_STREAMS, SystemWalletRegistered, role_of, wallet_stream

RotatedRole = Literal["hot", "gas"]
"""The roles whose keys are ours."""
ROTATED_ROLES: Final[tuple[RotatedRole, ...]] = ("hot", "gas")


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("wallet.rotation-asked", by="api", level=2)
class WalletRotationAsked(Event, frozen=True, kw_only=True):
    """An operator wants another key for this wallet. `key` names one in KMS; empty: one is made in the keystore."""

    role: RotatedRole
    key: str


@event("wallet.rotation-given-up", by="signer", level=2)
class WalletRotationGivenUp(Event, frozen=True, kw_only=True):
    """There is no such key, or it cannot be a wallet's: nothing has changed."""

    role: RotatedRole
    reason: str


@event("wallet.rotation-begun", by="signer", level=2)
class WalletRotationBegun(Event, frozen=True, kw_only=True):
    """From now on the new address plays the role, and the old one is emptied into it."""

    role: RotatedRole
    from_address: str
    to_address: str

    @property
    def sentence(self) -> str:
        return f"the {self.role} wallet is {self.to_address} from now on; {self.from_address} is emptied into it"


@event("wallet.retired", by="signer", level=2)
class WalletRetired(Event, frozen=True, kw_only=True):
    """The chain shows no coin, no stake and nothing lent at this address, where blocks are solid."""

    role: RotatedRole
    address: str
    block_number: int


# State


class RoleHistory(msgspec.Struct, frozen=True):
    """Who plays a role, who has played it, and how far a rotation has come."""

    registered: tuple[SystemWalletRegistered, ...] = ()
    """All that ever played it, the one that does now last."""
    asked: WalletRotationAsked | None = None
    begun: WalletRotationBegun | None = None
    """The rotation that is under way."""
    retired: tuple[str, ...] = ()
    given_up: str = ""
    """Why the last one that was asked for came to nothing."""

    def evolve(self, happened: Event) -> Self:
        replace = msgspec.structs.replace
        match happened:
            case SystemWalletRegistered():
                return replace(self, registered=(*self.registered, happened))
            case WalletRotationAsked():
                return replace(self, asked=happened, given_up="")
            case WalletRotationGivenUp():
                return replace(self, asked=None, given_up=happened.reason)
            case WalletRotationBegun():
                return replace(self, asked=None, begun=happened)
            case WalletRetired():
                return replace(self, begun=None, retired=(*self.retired, happened.address))
        return self

    @property
    def playing(self) -> SystemWalletRegistered | None:
        return self.registered[-1] if self.registered else None

    @property
    def former(self) -> tuple[str, ...]:
        """The addresses that played it before, retired or being emptied."""
        return tuple(it.address for it in self.registered[:-1])


NOBODY: Final = RoleHistory()


def must_play(stream: str, address: str, known: RoleHistory) -> WrongState | None:
    """Why an order's bytes may not be made for this address: another wallet has replaced it."""
    if address not in known.former:
        return None
    return WrongState(stream=stream, state=f"to be made by the wallet that replaced {address}", wish="made by that one")


# Decisions


class _RotationCommand(msgspec.Struct, frozen=True):
    """What all of them share."""

    role: RotatedRole
    actor: str

    @property
    def stream(self) -> str:
        return wallet_stream(self.role)

    def streams(self) -> list[str]:
        return [self.stream]

    def guards(self) -> list[GuardKey]:
        return []

    def _known(self, past: Past) -> RoleHistory:
        return past.state(self.stream, NOBODY)

    def _new(self, *happened: Event) -> list[New]:
        return [New(self.stream, each) for each in happened]

    def _wrong(self, state: str, wish: str) -> WrongState:
        return WrongState(stream=self.stream, state=state, wish=wish)


class AskWalletRotation(_RotationCommand, frozen=True, kw_only=True):
    """Ask for another key. Refused while a rotation is under way, and where there is no wallet yet."""

    key: str = ""

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        known = self._known(past)
        if known.playing is None:
            return NotFound(noun=f"{self.role} wallet")
        if known.asked is not None or known.begun is not None:
            return RotationUnderWay(role=self.role)
        return self._new(WalletRotationAsked(occurred_at=now, actor=self.actor, role=self.role, key=self.key))


class BeginWalletRotation(_RotationCommand, frozen=True, kw_only=True):
    """The new key is there and signs. Refused unless somebody asked for it, and for an address that ever played a role."""

    address: str
    key_id: str

    def streams(self) -> list[str]:
        return list(WALLET_STREAMS)

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        known = self._known(past)
        if known.begun is not None and known.begun.to_address == self.address:
            return ()
        if known.asked is None or known.playing is None:
            return self._wrong("not asked for another key", f"rotated to {self.address}")
        if role_of(self.address, map(past.history, WALLET_STREAMS)) is not None:
            return self._wrong(f"played by others, and {self.address} has played a role before", "rotated to that")
        begun = WalletRotationBegun(
            occurred_at=now,
            actor=self.actor,
            role=self.role,
            from_address=known.playing.address,
            to_address=self.address,
        )
        registered = SystemWalletRegistered(
            occurred_at=now, actor=self.actor, role=self.role, address=self.address, key_id=self.key_id
        )
        return self._new(begun, registered)


class GiveUpWalletRotation(_RotationCommand, frozen=True, kw_only=True):
    """The key that was named cannot be a wallet's: who asked sees why, and may ask anew."""

    reason: str

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        if self._known(past).asked is None:
            return ()
        return self._new(WalletRotationGivenUp(occurred_at=now, actor=self.actor, role=self.role, reason=self.reason))


class RetireWallet(_RotationCommand, frozen=True, kw_only=True):
    """The old wallet is empty where blocks are solid. Refused for one that is not being emptied."""

    address: str
    block_number: int

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        known = self._known(past)
        if self.address in known.retired:
            return ()
        if known.begun is None or known.begun.from_address != self.address:
            return self._wrong("not rotated from that address", f"retired as {self.address}")
        retired = WalletRetired(
            occurred_at=now,
            actor=self.actor,
            role=self.role,
            address=self.address,
            block_number=self.block_number,
        )
        return self._new(retired)
