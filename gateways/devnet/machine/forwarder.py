"""A contract that hands TRX on: what it does moves coins, and no block's transactions show it."""

from typing import Any, Final

from core.tron.address import Address
from gateways.devnet.machine import abi, energy
from gateways.devnet.machine.abi import Function
from gateways.devnet.machine.machine import Call, Reverted

FORWARD: Final = Function("forward", ("address[] to", "uint256[] amounts"))
ATTEMPT: Final = Function("attempt", ("address to", "uint256 amount"))
DESTROY: Final = Function("destroy", ("address heir",))
_PER_TRANSFER: Final[energy.Path] = ((1, 10), (2, 10), (3, 60), (10, 4), (9_040, 1))
"""With the price of a call that has a value."""


class Forwarder:
    """forward(to[], amounts[]) hands sun on to each, out of the call's value and what was left by earlier ones, all or none.

    attempt(to, amount) calls on with a value in a call that fails: its own call succeeds, and nothing moves. destroy(heir)
    gives away all that it holds, as selfdestruct does; unlike a real one it is there for the next call.
    """

    name = "Forwarder"
    user_percent = 100

    def abi(self) -> list[dict[str, Any]]:
        return [
            {**function.entry(), "payable": True, "stateMutability": "Payable"}
            for function in (FORWARD, ATTEMPT, DESTROY)
        ]

    def run(self, call: Call) -> bytes:
        call.spend(energy.VIEW)
        if call.selector == FORWARD.selector:
            receivers, amounts = abi.array(call.arguments, 0), abi.array(call.arguments, 1)
            if len(receivers) == len(amounts):
                for receiver, amount in zip(receivers, amounts, strict=True):
                    call.spend(_PER_TRANSFER)
                    call.hand_on(Address.from_evm(receiver[12:]), int.from_bytes(amount, "big"))
                return b""
        elif call.selector == ATTEMPT.selector:
            call.spend(_PER_TRANSFER)
            call.fail_to_hand_on(Address.from_evm(abi.address(call.arguments, 0)), abi.uint(call.arguments, 1))
            return b""
        elif call.selector == DESTROY.selector:
            call.spend(_PER_TRANSFER)
            call.destroy(Address.from_evm(abi.address(call.arguments, 0)))
            return b""
        call.spend(energy.REVERT_SELECTOR)
        raise Reverted
