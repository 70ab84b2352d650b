"""The token that USDT forwards to once it is deprecated: the same rules and, at first, its predecessor's books.

Its Transfer logs come from its own address: who watches only USDT's sees nothing of a payment any more.
"""

from typing import Final

from core.tron.address import Address
from gateways.devnet.machine import abi, energy
from gateways.devnet.machine.machine import Call, Reverted
from gateways.devnet.machine.tether import FORWARDED, TetherToken, by_legacy

_BY_LEGACY: Final = {by_legacy(function).selector: function for function in FORWARDED.values() if not function.reads}


class Successor(TetherToken):
    """A TetherToken that takes its predecessor's word for who calls."""

    def __init__(self, predecessor: Address, title: str, symbol: str, decimals: int) -> None:
        super().__init__(title, symbol, decimals)
        self._predecessor = predecessor

    def run(self, call: Call) -> bytes:
        call.predecessor = self._predecessor
        forwarded = _BY_LEGACY.get(call.selector)
        if forwarded:
            if call.caller != self._predecessor:
                call.spend(energy.VIEW)
                raise Reverted
            call.caller = Address.from_evm(abi.address(call.arguments, 0))
            call.data = forwarded.selector + call.arguments[abi.WORD :]
        return super().run(call)
