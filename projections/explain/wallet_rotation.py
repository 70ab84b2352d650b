"""How far the rotation of a wallet's key has come, in words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, LiteralString, NamedTuple

from core.ledger.ledger import EventStore
from core.ledger.money import format_amount
from core.streams.treasury import wallet_stream
from core.streams.wallet.rotation import NOBODY, RotatedRole, WalletRetired, WalletRotationAsked, WalletRotationBegun

State = Literal["none", "asked", "given_up", "under_way", "retired"]

LEFT: Final[LiteralString] = """
SELECT (SELECT concat_ws(' ', act, state, reason) FROM instructions
         WHERE owner = %(address)s AND purpose = 'rotation' ORDER BY "position" DESC LIMIT 1) AS last,
       seen.usdt_minor, seen.trx_sun, seen.staked_sun, seen.unfreezing_sun
  FROM (SELECT 1) AS one LEFT JOIN former_wallet_numbers AS seen ON seen.address = %(address)s
"""
"""One row: what the wallet that is emptied was last ordered to do, and what the chain last showed there."""


class Rotation(NamedTuple):
    """The last one of a role. `to_address` is empty until its key is made."""

    role: RotatedRole
    state: State
    asked_at: datetime | None = None
    from_address: str = ""
    to_address: str = ""
    begun_at: datetime | None = None
    reason: str = ""
    block_number: int = 0

    @property
    def asked(self) -> Mapping[str, Any]:
        """What LEFT is asked with."""
        return {"address": self.from_address}

    def sentence(self, left: Any) -> str:
        """`left` is the row of LEFT."""
        match self.state:
            case "none":
                return f"the {self.role} wallet has had one key so far"
            case "asked":
                return "asked for: the process that signs for the wallet makes the key, and proves that it signs"
            case "given_up":
                return f"given up, nothing has changed: {self.reason}"
            case "retired":
                return f"{self.from_address} is retired: at block {self.block_number} nothing was left there"
        return f"{self.from_address} is emptied into {self.to_address}: {_left(left)}"


def _left(row: Any) -> str:
    if row.usdt_minor is None:
        return "nobody has looked at it yet"
    usdt, trx = format_amount(row.usdt_minor, "USDT"), format_amount(row.trx_sun, "TRX")
    parts = [f"{usdt} USDT and {trx} TRX are left"]
    if row.staked_sun:
        parts.append(f"{format_amount(row.staked_sun, 'TRX')} TRX are staked")
    if row.unfreezing_sun:
        parts.append(
            f"{format_amount(row.unfreezing_sun, 'TRX')} TRX of stake are on their way back, which takes 14 days"
        )
    if row.last:
        parts.append(f"last: {row.last}".replace("_", " "))
    return ", ".join(parts)


def last_rotation(store: EventStore, role: RotatedRole) -> Rotation:
    """As the history has it. Raises Unavailable."""
    stream = wallet_stream(role)
    known, found = NOBODY, Rotation(role, "none")
    for recorded in store.histories([stream]).get(stream, ()):
        known = known.evolve(recorded.event)
        match recorded.event:
            case WalletRotationAsked(occurred_at=at):
                playing = known.playing.address if known.playing else ""
                found = Rotation(role, "asked", at, from_address=playing)
            case WalletRotationBegun() as begun:
                found = found._replace(state="under_way", to_address=begun.to_address, begun_at=begun.occurred_at)
            case WalletRetired() as retired:
                found = found._replace(state="retired", block_number=retired.block_number)
    if known.given_up and known.asked is None and found.state == "asked":
        found = found._replace(state="given_up", reason=known.given_up)
    return found
