"""Instructions that a wallet is given one after the other, numbered from 1: the next only when the last one is over.

Their ids follow from the wallet, a name and the number, and the last one is looked up in the store: whatever another worker
gave a moment ago is known, so that nothing is given twice (I7).
"""

from core.ledger.journal import derived_id
from core.ledger.ledger import EventStore, state_of
from core.streams.instructions import InstructionState, instruction_stream
from core.tron.chain import BlockRef

NOT_GIVEN = InstructionState()


class Numbered:
    """Those of one wallet and one name."""

    def __init__(self, store: EventStore, wallet: str, name: str) -> None:
        self._store = store
        self._wallet = wallet
        self._name = name

    def id(self, number: int) -> str:
        return str(derived_id("instruction", self._wallet, f"{self._name} {number}"))

    def given(self) -> int:
        """How many there were: the numbers have no gap, so a few looks show it."""
        known, unknown = 0, 1
        while self._is_given(unknown):
            known, unknown = unknown, 2 * unknown
        while unknown - known > 1:
            middle = (known + unknown) // 2
            if self._is_given(middle):
                known = middle
            else:
                unknown = middle
        return known

    def state(self, number: int) -> InstructionState:
        return state_of(self._store, instruction_stream(self.id(number)), NOT_GIVEN)

    def is_behind(self, number: int, solid: BlockRef) -> bool:
        """Whether it is over, and the node's balances are of after it."""
        state = self.state(number)
        return state.over and getattr(state.end, "block_number", 0) <= solid.number

    def _is_given(self, number: int) -> bool:
        stream = instruction_stream(self.id(number))
        return bool(self._store.histories([stream]).get(stream))
