"""Contracts: what they are, calls that only read, and what a call would cost."""

import functools
from collections.abc import Callable
from typing import Any

from core.tron.address import Address, InvalidAddress
from core.tron.transactions import TRIGGER
from gateways.devnet.execution.billing import ORIGIN_ENERGY_LIMIT
from gateways.devnet.http import rendering
from gateways.devnet.http.ask import Answer, Ask
from gateways.devnet.http.calls.building import BuildRefused, unsigned
from gateways.devnet.http.parsing import BadRequest, hexadecimal
from gateways.devnet.machine import abi
from gateways.devnet.machine.machine import REVERT, SUCCESS, Called
from gateways.devnet.state.factor import heat_of
from gateways.devnet.state.state import Overlay
from gateways.devnet.state.transaction import Transaction

CALL_ENERGY_MAX = 100_000_000


def get_contract(ask: Ask) -> Answer:
    address = ask.address("value")
    code = ask.chain.machine.contracts.get(address)
    if code is None:
        return {}
    return {
        "origin_address": rendering.hex_or_base58(ask.chain.genesis.treasury.address, visible=ask.visible),
        "contract_address": rendering.hex_or_base58(address, visible=ask.visible),
        "abi": {"entrys": code.abi()},
        "bytecode": "",
        "name": code.name,
        "consume_user_resource_percent": code.user_percent,
        "origin_energy_limit": ORIGIN_ENERGY_LIMIT,
    }


def get_contract_info(ask: Ask) -> Answer:
    contract = get_contract(ask)
    if not contract:
        return {}
    heat = heat_of(ask.state, ask.address("value"))
    state = {"energy_usage": heat.used, "energy_factor": heat.factor, "update_cycle": heat.cycle}
    return {"smart_contract": contract, "contract_state": rendering.without_defaults(state)}


class NoContract(Exception):
    """The address holds no contract: told in the result, unlike other mistakes."""


def other_error(error: BadRequest | BuildRefused, *, visible: bool) -> Answer:
    """What these calls make of everything else that is wrong, a request that cannot be read included."""
    kind = error.kind if isinstance(error, BadRequest) else "org.tron.core.exception.ContractValidateException"
    words = f"class {kind} : {error}".replace('"', "'")
    return {"result": {"code": "OTHER_ERROR", "message": rendering.text(words, visible=visible)}}


def _told(handler: Callable[[Ask], Answer]) -> Callable[[Ask], Answer]:
    @functools.wraps(handler)
    def answer(ask: Ask) -> Answer:
        try:
            return handler(ask)
        except NoContract as error:
            return {"result": {"code": "CONTRACT_VALIDATE_ERROR", "message": ask.message(str(error))}}
        except (BadRequest, BuildRefused) as error:
            return other_error(error, visible=ask.visible)

    return answer


@_told
def trigger_constant_contract(ask: Ask) -> Answer:
    """Runs a call and keeps nothing. On a revert `result.result` is still true; the message and ret tell."""
    transaction = _trigger(ask)
    called = _run(ask, transaction)
    result: dict[str, Any] = {"result": True}
    if called.message:
        result["message"] = ask.message(called.message)
    answer = {
        "result": result,
        "energy_used": called.energy,
        "constant_result": [called.returned.hex()],
        "transaction": rendering.built(
            transaction, visible=ask.visible, ret=[{} if called.result == SUCCESS else {"ret": "FAILED"}]
        ),
    }
    if called.penalty:
        answer["energy_penalty"] = called.penalty
    return answer


@_told
def estimate_energy(ask: Ask) -> Answer:
    called = _run(ask, _trigger(ask))
    if called.result == REVERT:
        message = ask.message(called.message)
        return {"result": {"code": "CONTRACT_EXE_ERROR", "message": message}}
    return {"result": {"result": True}, "energy_required": called.energy}


@_told
def trigger_smart_contract(ask: Ask) -> Answer:
    transaction = _trigger(ask, ask.integer("fee_limit"), "No contract or not a valid smart contract")
    return {"result": {"result": True}, "transaction": rendering.built(transaction, visible=ask.visible)}


def _trigger(ask: Ask, fee_limit_sun: int = 0, words: str = "Smart contract is not exist.") -> Transaction:
    """The unsigned call that a request describes, by selector text and parameter, or by data."""
    selector, data = ask.text("function_selector"), ask.text("data")
    call = abi.selector_of(selector) + hexadecimal(ask.text("parameter")) if selector else hexadecimal(data)
    parameter = {
        "owner_address": ask.address("owner_address"),
        "contract_address": ask.address("contract_address"),
        "data": call,
        "call_value": ask.integer("call_value"),
    }
    if parameter["contract_address"] not in ask.chain.machine.contracts:
        raise NoContract(words)
    return unsigned(ask, TRIGGER, parameter, fee_limit_sun)


def _run(ask: Ask, transaction: Transaction) -> Called:
    parameter = transaction.parameter
    owner, contract = (_known(parameter.get(name, b"")) for name in ("owner_address", "contract_address"))
    value_sun = parameter.get("call_value", 0)
    return ask.chain.machine.execute(
        Overlay(ask.state), contract, owner, parameter.get("data", b""), value_sun=value_sun, limit=CALL_ENERGY_MAX
    )


def _known(raw: bytes) -> Address:
    try:
        return Address(raw)
    except InvalidAddress as error:
        raise BuildRefused("Invalid address") from error
