"""What every command that changes something shares: the platform it acts on, its reason, and its append."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from core.ledger.ledger import Accepted, Command, Failed
from core.tron.address import Address
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform, visiting
from gateways.wiring.platform import Platform
from signers.sweeps.plan import wallets_of

REASON_CHARACTERS_MAX: Final = 500
_WALLETS: Final = 'SELECT role, address, status, kms_key_id FROM system_wallets ORDER BY role, "position" DESC'


@contextmanager
def acting(settings: Settings, role: str) -> Iterator[Platform]:
    """The platform with the chain of this installation, everything asked of one node."""
    with (
        visiting(settings) as database,
        open_platform(settings, role, database) as platform,
        platform.node.pinned(),
    ):
        yield platform


def must_have_reason(reason: str, what: str) -> str:
    """Raises UserError without one."""
    if not 0 < len(reason.strip()) <= REASON_CHARACTERS_MAX:
        raise UserError(f"say why {what}, in at most {REASON_CHARACTERS_MAX} characters: it is kept for ever")
    return reason.strip()


def system_wallet(platform: Platform, role: str) -> Address:
    """The address that plays a role. Raises UserError where none does."""
    found = wallets_of(platform.store).get(role)
    if found is None:
        raise UserError(f"no {role} wallet is registered yet: the processes payouts and sweeps register hot and gas")
    return found


def execute(platform: Platform, commands: Sequence[Command]) -> int:
    """Append; -> how many changed something. What was refused is another's doing meanwhile. Raises a defect as it is."""
    outcomes = platform.ledger.execute(commands)
    for outcome in outcomes:
        if isinstance(outcome, Failed):
            raise outcome.error
    return sum(isinstance(outcome, Accepted) for outcome in outcomes)
