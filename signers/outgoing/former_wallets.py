"""What a replaced hot wallet still makes: the instructions that empty it, and nothing else."""

from collections.abc import Callable, Iterator
from typing import Final
from uuid import UUID

from core.ledger.ledger import Command
from core.streams.instructions import OF_FORMER, Instruction
from core.tron.address import Address
from core.tron.chain import BlockRef
from signers.outgoing.funds import Shortage
from signers.outgoing.hot_wallet import LIFE_MS_MIN, HotWallet
from signers.outgoing.open_orders import OpenOrder
from signers.transactions.build import Intent

REPLACED: Final = "another wallet has replaced it: ask for it again"


def is_of_former(order: OpenOrder, playing: Address) -> bool:
    """Whether another hot wallet is to make it than the one that pays."""
    return isinstance(order.wish, Instruction) and order.wish.owner != playing.base58


def prepared_of_former(
    orders: Iterator[OpenOrder],
    playing: Address,
    look: Callable[[Address], HotWallet],
    may_go: Callable[[OpenOrder], bool],
    give_up: Callable[[OpenOrder, str], Command],
    permission_id: Callable[[Intent], int],
    attempts_max: int,
    head: BlockRef,
    solid: BlockRef,
) -> Iterator[Command]:
    """The bytes of those that empty it; the others are given back. Raises Unavailable."""
    wallets: dict[str, HotWallet] = {}
    for order in orders:
        assert isinstance(order.wish, Instruction)
        owner = order.wish.owner
        if order.wish.purpose not in OF_FORMER:
            yield give_up(order, REPLACED)
            continue
        if not may_go(order):
            yield give_up(order, "everything goes to cold storage")
            continue
        if order.wish.purpose == "rotation" and getattr(order.wish.act, "to", playing.base58) != playing.base58:
            yield give_up(order, f"it does not go to {playing}, which is in its place")
            continue
        if order.attempts.left >= attempts_max:
            yield give_up(order, "not mined")
            continue
        wallet = wallets.get(owner) or wallets.setdefault(owner, look(Address.from_base58(owner)))
        if wallet.life_ms(head) < LIFE_MS_MIN:
            continue  # the maintenance is near
        try:
            intent = order.intent(wallet.address, wallet.token)
            number, by = len(order.attempts.made) + 1, permission_id(intent)
            attempt = wallet.attempt(UUID(order.key).bytes, intent, number, head, solid, permission_id=by)
        except Shortage as shortage:
            yield give_up(order, str(shortage))
        else:
            yield order.prepare(attempt)
