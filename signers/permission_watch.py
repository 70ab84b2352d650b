"""Step: hold our wallets' permissions to what is declared; stop signing where they differ, and let it go on again.

The signers look before each signature themselves (signers/outgoing/outgoing.py). This watch looks at wallets whose keys sign
nothing here, too, and it ends what was put right or declared: once the chain, where blocks are solid and at its head, shows of
each address that stopped signing what is declared of it, and of every system wallet as well.
"""

from collections.abc import Iterator
from typing import Final

from core.ledger.ledger import Command, EventStore, Ledger, state_of
from core.ports.alarm import Alarm, Condition
from core.ports.chain import Node
from core.streams.notices import WalletPermissionChanged
from core.streams.signing import SIGNING, Signing
from core.streams.wallet.permissions import CAUSE, AgreeOnPermissions, PermissionsDiffer
from core.tron.address import Address
from signers.outcomes import append
from signers.outgoing.permissions import Permissions
from signers.sweeps.plan import wallets_of

ACTOR: Final = "system:permissions"
EVERY_BLOCKS: Final = 10
"""Solid blocks between two looks, while nothing stops signing: half a minute."""


class PermissionWatch:
    """A difference rings once; again when it was gone in between."""

    def __init__(
        self, ledger: Ledger, store: EventStore, node: Node, permissions: Permissions, *, alarm: Alarm
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._node = node
        self._permissions = permissions
        self._differences = Condition(alarm, "wallet_permissions_differ")
        self._looked_at = -EVERY_BLOCKS

    def step(self) -> bool:
        """One look; nobody waits for it, so it is never busy. Raises Unavailable."""
        solid = self._node.solid().number
        streams = state_of(self._store, SIGNING, Signing()).streams.get(CAUSE, ())
        if solid < self._looked_at + (1 if streams else EVERY_BLOCKS):
            return False
        self._permissions.read()
        wallets = {address: role for role, address in wallets_of(self._store).items()}
        wallets = dict(self._shown(streams)) | wallets
        stops = self._permissions.stops([(role, address) for address, role in wallets.items()], ACTOR, solid=True)
        said = {
            f"{each.address} {each.difference}": f"signing stops: of {each.address}, {each.difference}"
            for each in stops
        }
        self._differences.stand(said)
        commands: list[Command] = [*stops]
        if streams and not stops and not any(map(self._permissions.difference, wallets)):
            commands.append(AgreeOnPermissions(seen=streams, actor=ACTOR))
        append(self._ledger, commands)
        self._looked_at = solid
        return False

    def _shown(self, streams: tuple[str, ...]) -> Iterator[tuple[Address, str]]:
        """The address and the role in each event that stopped signing for changed permissions."""
        for recorded in (it for history in self._store.histories(list(streams)).values() for it in history):
            match recorded.event:
                case WalletPermissionChanged(notice=notice):
                    yield Address.from_base58(notice.address), notice.wallet
                case PermissionsDiffer(address=address, wallet=wallet):
                    yield Address.from_base58(address), wallet
