"""The virtual machine, as far as a devnet needs one: contracts are Python models that spend energy by recorded paths.

A call reads and writes through an overlay, emits logs, spends energy, and either returns bytes or reverts; a contract may
call another, and hand TRX on. What a transaction pays for it is execution.py's.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from core.tron.address import Address
from gateways.devnet.machine import energy
from gateways.devnet.machine.abi import Event, of_address, of_uint
from gateways.devnet.state import accounts, factor
from gateways.devnet.state.factor import Heat
from gateways.devnet.state.state import Overlay

SUCCESS: Final = "SUCCESS"
REVERT: Final = "REVERT"
OUT_OF_ENERGY: Final = "OUT_OF_ENERGY"
TRANSFER_FAILED: Final = "TRANSFER_FAILED"
REVERT_MESSAGE: Final = "REVERT opcode executed"


class Log(msgspec.Struct, frozen=True):
    """An event log: the contract's 20 bytes, its topics, its data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


class Internal(msgspec.Struct, frozen=True):
    """An internal transaction: what a contract did to another account, with the sun that moved unless it was rejected."""

    note: str
    """java-tron's: "call" or "suicide"."""
    caller: Address
    receiver: Address
    amount_sun: int
    rejected: bool = False


class Called(msgspec.Struct, frozen=True):
    """How a call ended. `energy` includes `penalty`; logs are empty unless it succeeded, else all of `internal` is rejected."""

    result: str
    energy: int
    penalty: int
    returned: bytes = b""
    logs: tuple[Log, ...] = ()
    message: str = ""
    internal: tuple[Internal, ...] = ()


class Reverted(Exception):
    """The contract met REVERT: nothing of the call stays but the energy spent."""


class OutOfEnergy(Exception):
    """The call spent more energy than it may."""


class Halted(Exception):
    """The machine stopped the call, with another contractResult than these two."""

    def __init__(self, result: str, message: str) -> None:
        super().__init__(message)
        self.result = result


class Code(Protocol):
    """A contract's behaviour and how getcontract describes it."""

    name: str
    user_percent: int
    """What callers pay of a call's energy; the rest is the deployer's, as far as its stake goes."""

    def abi(self) -> list[dict[str, Any]]: ...

    def run(self, call: "Call") -> bytes:
        """Execute; -> what is returned. Raises Reverted."""


class Call:
    """One contract's activation: who calls, with what, and the means to read, write, log, spend and call on."""

    def __init__(
        self, machine: "Machine", execution: "_Execution", contract: Address, caller: Address, heat: Heat
    ) -> None:
        self._machine = machine
        self._execution = execution
        self._factor = heat.factor
        self.contract = contract
        self.caller = caller
        self.value_sun = 0
        self.data = b""
        self.base_energy = 0
        """What this activation itself spent, penalties not counted."""
        self.predecessor: Address | None = None
        """A contract whose slots stand for those that this one has not yet filled itself."""

    @property
    def selector(self) -> bytes:
        return self.data[:4]

    @property
    def arguments(self) -> bytes:
        return self.data[4:]

    def read(self, *key: str | bytes) -> Any:
        """A storage slot of this contract, None when it is absent."""
        state = self._execution.state
        value = state.get(("slot", self.contract, *key))
        if value is None and self.predecessor:
            value = state.get(("slot", self.predecessor, *key))
        return value

    def write(self, *key: str | bytes, value: Any) -> None:
        """Fill a slot of this contract; a zero is kept as absence, except where it hides a predecessor's value."""
        self._execution.state.set(("slot", self.contract, *key), value or (0 if self.predecessor else None))

    def spend(self, path: energy.Path, opcode: str = "") -> None:
        """Raises OutOfEnergy when the limit is passed; `opcode` names a path that is a single one."""
        total, penalty = energy.cost(path, self._factor)
        self._execution.spend(total, penalty, opcode)
        self.base_energy += total - penalty

    def emit(self, event: Event, *parameters: bytes | int) -> None:
        """Log an event; 20-byte addresses and integers become words."""
        words = [of_uint(value) if isinstance(value, int) else of_address(value) for value in parameters]
        topics = (event.topic, *words[: len(event.indexed)])
        self._execution.logs.append(Log(self.contract.evm, topics, b"".join(words[len(event.indexed) :])))

    def call(self, contract: Address, data: bytes) -> bytes:
        """Call another contract as this one. Raises Reverted when it reverts or does not exist."""
        self._execution.internal.append(Internal("call", self.contract, contract, 0))
        return self._machine.enter(self._execution, contract, self.contract, data, 0)

    def hand_on(self, to: Address, amount_sun: int, note: str = "call") -> None:
        """Give TRX of this contract's to an account, which exists from then on. Raises Reverted where it has not so much."""
        self._execution.move(self.contract, to, amount_sun)
        self._execution.internal.append(Internal(note, self.contract, to, amount_sun))

    def fail_to_hand_on(self, to: Address, amount_sun: int) -> None:
        """Give TRX in a call that fails and is not minded: a rejected internal transaction is all that it leaves."""
        self._execution.internal.append(Internal("call", self.contract, to, amount_sun, rejected=True))

    def destroy(self, heir: Address) -> None:
        """Give all TRX of this contract's to an account."""
        held = accounts.find(self._execution.state, self.contract)
        self.hand_on(heir, held.balance_sun if held else 0, "suicide")


class _Execution:
    """What all calls of one transaction share."""

    def __init__(self, state: Overlay, limit: int, now_ms: int) -> None:
        self.state = state
        self.limit = limit
        self.now_ms = now_ms
        self.logs: list[Log] = []
        self.internal: list[Internal] = []
        self.energy = 0
        self.penalty = 0

    def spend(self, total: int, penalty: int, opcode: str) -> None:
        if self.energy + total > self.limit:
            raise OutOfEnergy(
                f"Not enough energy for '{opcode or 'CODE'}' operation executing: curInvokeEnergyLimit[{self.limit}], "
                f"curOpEnergy[{total - penalty}], penaltyEnergy[{penalty}], usedEnergy[{self.energy}]"
            )
        self.energy += total
        self.penalty += penalty

    def move(self, sender: Address, receiver: Address, amount_sun: int) -> None:
        """Raises Reverted where the sender has not so much."""
        account = accounts.find(self.state, sender)
        if account is None or account.balance_sun < amount_sun:
            raise Reverted
        accounts.spend(self.state, account, amount_sun)
        accounts.credit(self.state, receiver, amount_sun, self.now_ms)

    def rejected(self) -> tuple[Internal, ...]:
        return tuple(msgspec.structs.replace(each, rejected=True) for each in self.internal)


class Machine:
    """The contracts there are, who deployed them, and how one is entered."""

    def __init__(self, contracts: Mapping[bytes, Code], origin: Address) -> None:
        self.contracts = contracts
        self.origin = origin

    def execute(
        self,
        state: Overlay,
        contract: Address,
        caller: Address,
        data: bytes,
        *,
        value_sun: int = 0,
        limit: int,
        now_ms: int = 0,
    ) -> Called:
        """Run a call with at most `limit` energy. The overlay holds its changes only when it succeeds.

        `now_ms` is when accounts are created that it is the first to give something.
        """
        attempt = Overlay(state)
        execution = _Execution(attempt, limit, now_ms)
        try:
            returned = self.enter(execution, contract, caller, data, value_sun)
        except Reverted:
            internal = execution.rejected()
            return Called(REVERT, execution.energy, execution.penalty, message=REVERT_MESSAGE, internal=internal)
        except OutOfEnergy as error:
            return Called(OUT_OF_ENERGY, limit, execution.penalty, message=str(error), internal=execution.rejected())
        except Halted as error:
            # Only a revert and a failed transfer give the unused energy back; java-tron bills the whole limit for all else.
            energy = execution.energy if error.result == TRANSFER_FAILED else limit
            return Called(error.result, energy, execution.penalty, message=str(error), internal=execution.rejected())
        state.merge(attempt)
        logs, internal = tuple(execution.logs), tuple(execution.internal)
        return Called(SUCCESS, execution.energy, execution.penalty, returned, logs, internal=internal)

    def enter(self, execution: _Execution, contract: Address, caller: Address, data: bytes, value_sun: int) -> bytes:
        code = self.contracts.get(contract)
        if code is None:
            raise Reverted
        heat = factor.heat_of(execution.state, contract)
        if value_sun:
            execution.move(caller, contract, value_sun)
        call = Call(self, execution, contract, caller, heat)
        call.data = data
        call.value_sun = value_sun
        returned = code.run(call)
        factor.add_use(execution.state, contract, heat, call.base_energy)
        return returned
