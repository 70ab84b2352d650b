"""A contract that ends as it is told: misbehave(n) ends with contractResult n, and logs a Transfer first.

A failed call keeps no log; one that succeeds leaves a Transfer of a contract that is no token.
"""

from collections.abc import Mapping
from typing import Any, Final

from core.tron.transactions import CONTRACT_RESULTS
from gateways.devnet.machine import abi, energy
from gateways.devnet.machine.abi import Function
from gateways.devnet.machine.machine import OUT_OF_ENERGY, REVERT, SUCCESS, Call, Halted, Reverted
from gateways.devnet.machine.tether import TRANSFER

MISBEHAVE: Final = Function("misbehave", ("uint256 result",))
AMOUNT: Final = 10**12
"""What the Transfer log claims to have moved."""

MESSAGES: Final[Mapping[str, str]] = {
    "BAD_JUMP_DESTINATION": "Operation with pc isn't 'JUMPDEST': PC[66];",
    "OUT_OF_MEMORY": "Out of Memory when 'MSTORE' operation executing",
    "PRECOMPILED_CONTRACT": "precompiled contract exception",
    "STACK_TOO_SMALL": "Expected stack size 2 but actual 1;",
    "STACK_TOO_LARGE": "Expected: overflow 1024 elements stack limit",
    "ILLEGAL_OPERATION": "Invalid operation code: opCode[fe];",
    "STACK_OVERFLOW": "StackOverflowError:  exceed default JVM stack size!",
    "OUT_OF_TIME": "CPU timeout for 'JUMPDEST' operation executing",
    "JVM_STACK_OVER_FLOW": "StackOverflowError:  exceed default JVM stack size!",
    "UNKNOWN": "Unknown Exception",
    "TRANSFER_FAILED": "transfer trx failed: Validate InternalTransfer error, balance is not sufficient.",
    "INVALID_CODE": "invalid code: must not begin with 0xef",
}
"""What each failure says, in words like java-tron's."""

_FOREVER: Final[energy.Path] = ((2**40, 1),)


class Misbehaving:
    """The contract; it has no storage."""

    name = "Misbehaving"
    user_percent = 100

    def abi(self) -> list[dict[str, Any]]:
        return [MISBEHAVE.entry()]

    def run(self, call: Call) -> bytes:
        number = abi.uint(call.arguments, 0)
        if call.selector != MISBEHAVE.selector or call.value_sun or not 0 < number < len(CONTRACT_RESULTS):
            call.spend(energy.REVERT_SELECTOR)
            raise Reverted
        call.spend(energy.VIEW)
        call.emit(TRANSFER, self.name.encode().rjust(20, b"\0"), call.caller.evm, AMOUNT)
        result = CONTRACT_RESULTS[number]
        if result == SUCCESS:
            return b""
        if result == REVERT:
            raise Reverted
        if result == OUT_OF_ENERGY:
            call.spend(_FOREVER, "SHA3")
        raise Halted(result, MESSAGES[result])
