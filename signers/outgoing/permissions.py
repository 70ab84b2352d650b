"""Who may sign for our wallets: what is declared and believed here, held against the chain.

Where nothing is declared, it is the wallet's own key, alone. What is declared is believed once as many approvers as this
process asks for have signed it: the list is its own setting, which no database, queue or API host can write (I17). What is
not believed changes nothing, and what was believed before it goes on.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from core.ledger.events import Recorded
from core.ledger.ledger import Command, EventStore
from core.ports.alarm import Alarm
from core.ports.chain import Node
from core.streams.instructions import Instruction
from core.streams.treasury import WALLET_STREAMS
from core.streams.wallet.permissions import Declaration, StopForPermissions, declarations_of
from core.tron.address import Address
from core.tron.permissions import OPERATIONS, OWNER, PermissionSet, differences, permission_for, shown_by
from signers.leash.approvers import Approvers
from signers.outgoing.funds import Shortage
from signers.transactions.build import Intent, contract_type


class Permissions:
    """`needed`: how many approvers' signatures a declaration takes here; 0: it is believed as it stands."""

    def __init__(self, store: EventStore, node: Node, approvers: Approvers = Approvers(), needed: int = 0) -> None:  # noqa: B008 (frozen)
        self._store = store
        self._node = node
        self._approvers: Final = approvers
        self._needed: Final = needed
        self._declared: Mapping[str, Sequence[Declaration]] = {}
        self._rung = ("", "")
        """The address and the difference that was last rung for."""

    def read(self) -> None:
        """Read what is declared now."""
        self.take(self._store.histories(list(WALLET_STREAMS)))

    def take(self, histories: Mapping[str, Sequence[Recorded]]) -> None:
        """The same, where the caller has read the wallets' streams."""
        self._declared = declarations_of(histories.get(stream, ()) for stream in WALLET_STREAMS)

    def declared(self, address: str) -> PermissionSet | None:
        """The newest declaration that is believed; None where the address' own key is to be alone."""
        made = self._declared.get(address, ())
        return next((each.declared.permissions for each in made if self.is_believed(each)), None)

    def newest(self, address: str) -> Declaration | None:
        """What was declared last of this address, believed or not."""
        return next(iter(self._declared.get(address, ())), None)

    def on_chain(self, address: Address) -> PermissionSet | None:
        """What the head shows; None without an account. Raises Unavailable."""
        account = self._node.account(address)
        return shown_by(account) if account else None

    def is_believed(self, made: Declaration) -> bool:
        return len(self.approvers_of(made)) >= self._needed

    def approvers_of(self, made: Declaration) -> set[str]:
        """Who has signed the declaration, by this process' own list."""
        digest = made.digest
        return {
            each.approver
            for each in made.approvals
            if each.digest == digest.hex() and self._approvers.has_signed(each.approver, digest, each.signature)
        }

    def difference(self, address: Address, *, solid: bool = False) -> str:
        """In what the chain differs from what is believed, as a sentence; empty where it does not. Raises Unavailable."""
        account = self._node.solid_account(address) if solid else self._node.account(address)
        return differences(self.declared(address.base58), address, account)

    def permission_id(self, intent: Intent) -> int:
        """The permission by which the owner's own key signs this. Raises Shortage where it cannot alone."""
        operation = OPERATIONS[contract_type(intent)]
        found = permission_for(self.declared(intent.owner.base58), intent.owner.base58, operation)
        if found is None:
            raise Shortage(f"its key alone may not make a {operation}, by the permissions that are declared of it")
        return found

    def allows(self, intent: Intent, permission_id: int) -> bool:
        """Whether bytes that name this permission are still the ones to sign."""
        try:
            return self.permission_id(intent) == permission_id
        except Shortage:
            return permission_id == OWNER and self.declared(intent.owner.base58) is None

    def stops(
        self, wallets: Iterable[tuple[str, Address]], actor: str, *, solid: bool = False
    ) -> list[StopForPermissions]:
        """What stops signing for those (role, address) whose permissions on chain are others. Raises Unavailable."""
        found = ((role, address, self.difference(address, solid=solid)) for role, address in wallets)
        return [
            StopForPermissions(wallet=role, address=address.base58, difference=said, actor=actor)
            for role, address, said in found
            if said
        ]

    def before_signing(
        self, owners: Mapping[Address, str], refuge: str | None, actor: str, alarm: Alarm
    ) -> list[Command]:
        """What stops signing because somebody else may sign for one of these wallets; nothing where they may sign.

        Coins leave such a wallet for cold storage, the `refuge`, all the same, unless somebody else may sign for that.
        """
        cold = [("cold", Address.from_base58(refuge))] if refuge is not None else None
        stops = self.stops(cold or [(role, owner) for owner, role in owners.items()], actor)
        for each in stops:
            if (each.address, each.difference) != self._rung:
                self._rung = (each.address, each.difference)
                alarm("wallet_permissions_differ", f"nothing is signed: of {each.address}, {each.difference}")
        return [*stops]


def wallet_of(wish: object) -> str:
    """The role of the wallet that makes it: a payout's is the hot one."""
    return wish.wallet if isinstance(wish, Instruction) else "hot"
