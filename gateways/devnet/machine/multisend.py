"""A contract that pays many from its caller's allowance: one call, one Transfer log each, as exchanges' senders do."""

from typing import Any, Final

from core.tron.address import Address
from gateways.devnet.machine import abi, energy
from gateways.devnet.machine.abi import Function
from gateways.devnet.machine.machine import Call, Reverted

SEND: Final = Function("send", ("address token", "address[] to", "uint256[] amounts"))
TRANSFER_FROM: Final = abi.selector_of("transferFrom(address,address,uint256)")
_PER_TRANSFER: Final[energy.Path] = ((1, 20), (2, 20), (3, 200), (10, 8), (40, 1), (50, 1))


class Multisend:
    """multisend.send(token, to[], amounts[]): transferFrom the caller to each, all or none."""

    name = "Multisend"
    user_percent = 10

    def abi(self) -> list[dict[str, Any]]:
        return [SEND.entry()]

    def run(self, call: Call) -> bytes:
        receivers, amounts = abi.array(call.arguments, 1), abi.array(call.arguments, 2)
        if call.selector != SEND.selector or call.value_sun or len(receivers) != len(amounts):
            call.spend(energy.REVERT_SELECTOR)
            raise Reverted
        call.spend(energy.VIEW)
        token = Address.from_evm(abi.address(call.arguments, 0))
        for receiver, amount in zip(receivers, amounts, strict=True):
            call.spend(_PER_TRANSFER)
            call.call(token, TRANSFER_FROM + abi.of_address(call.caller.evm) + receiver + amount)
        return b""
