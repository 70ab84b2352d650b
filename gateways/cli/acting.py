"""What every command that changes something shares: the platform it acts on, its reason, and its append."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from core.ledger.ledger import Accepted, Command, Failed
from core.tron.address import Address
from gateways.cli.installation import opened_database
from gateways.settings import Settings
from gateways.user_error import NotReady, UserError
from gateways.wiring.opened import open_platform
from gateways.wiring.platform import Platform
from signers.sweeps.plan import wallets_of

REASON_CHARACTERS_MAX: Final = 500
WALLETS: Final = 'SELECT role, address, status, kms_key_id FROM system_wallets ORDER BY role, "position" DESC'


@contextmanager
def acting(settings: Settings, role: str) -> Iterator[Platform]:
    """The platform with the chain of this installation, everything asked of one node."""
    with (
        opened_database(settings) as database,
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
    """The address that plays a role. Raises NotReady where none does."""
    found = wallets_of(platform.store).get(role)
    if found is None:
        raise NotReady(
            f"no {role} wallet is registered yet: "
            + (
                "`counterfoil wallets register cold ADDRESS` does it"
                if role == "cold"
                else "the processes payouts and sweeps register hot and gas when they start"
            )
        )
    return found


def execute(platform: Platform, commands: Sequence[Command]) -> int:
    """Append -> how many changed something. What is refused was done by somebody else meanwhile. Raises a defect as it is."""
    outcomes = platform.ledger.execute(commands)
    for outcome in outcomes:
        if isinstance(outcome, Failed):
            raise outcome.error
    return sum(isinstance(outcome, Accepted) for outcome in outcomes)
