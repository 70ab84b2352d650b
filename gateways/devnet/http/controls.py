"""/devnet: the calls that turn the chain by hand."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from core.ledger.money import InvalidAmount, parse_amount
from core.tron.address import Address, InvalidAddress
from gateways.devnet.chain.genesis import USDT, Genesis
from gateways.devnet.faults import BadFault
from gateways.devnet.http.ask import Ask
from gateways.devnet.machine import abi
from gateways.devnet.machine.forwarder import FORWARD
from gateways.devnet.machine.machine import SUCCESS
from gateways.devnet.node import CannotFork, Verdict
from gateways.devnet.state.decrees import BadDecree

MINE_MAX: Final = 10_000
SKIP_SLOTS_MAX: Final = 100_000
ADVANCE_MS_MAX: Final = 400 * 86_400_000
BRANCH_MAX: Final = 200
"""The longest branch that a fork may bring, in blocks."""


class BadControl(ValueError):
    """The call cannot be done; the message says what is wrong with it."""


def info(ask: Ask) -> Any:
    chain = ask.chain
    genesis = chain.genesis
    return {
        **_heights(ask),
        "genesis_id": chain.blocks[0].block_id,
        "block_ms": chain.block_ms,
        "pending": len(chain.pool),
        "accounts": [{"address": key.address.base58, "private_key": key.secret.hex()} for key in genesis.accounts],
        "contracts": {
            "usdt": USDT.base58,
            "fake_usdt": genesis.fake_usdt.base58,
            "multisend": genesis.multisend.base58,
            "successor": genesis.successor.base58,
            "misbehaving": genesis.misbehaving.base58,
            "forwarder": genesis.forwarder.base58,
        },
        "chain_parameters": chain.parameters,
    }


def faucet(ask: Ask) -> Any:
    """A transaction for each currency asked for, from the treasury; `txid` is the last one's."""
    address = _address(ask.body.get("address"))
    sent = {}
    for currency, give in (("TRX", ask.node.give_trx), ("USDT", ask.node.give_usdt)):
        amount = ask.body.get(currency.lower())
        if amount is not None:
            sent[currency.lower()] = _given(ask, give(address, _amount(amount, currency)), currency)
    if not sent:
        raise BadControl('give an amount: "usdt": "12.5" or "trx": "3"')
    return {"txid": list(sent.values())[-1], "txids": sent}


def forward(ask: Ask) -> Any:
    """{"address": "T...", "trx": "3"}: TRX from the treasury by way of a contract, which no transaction of a block shows."""
    genesis, to, sun = ask.chain.genesis, _address(ask.body.get("address")), _amount(ask.body.get("trx"), "TRX")
    data = (
        FORWARD.selector
        + b"".join(map(abi.of_uint, (64, 128, 1)))
        + abi.of_address(to.evm)
        + abi.of_uint(1)
        + abi.of_uint(sun)
    )
    return {"txid": _accepted(ask.node.call(genesis.treasury, genesis.forwarder, data, value_sun=sun))}


def mine(ask: Ask) -> Any:
    """{"blocks": n, "skip_slots": k}: n blocks at once, k slots missed before each."""
    blocks = _between(ask, "blocks", 1, MINE_MAX, default=1)
    ask.node.mine(blocks, _between(ask, "skip_slots", 0, SKIP_SLOTS_MAX))
    return _heights(ask)


def advance(ask: Ask) -> Any:
    """{"advance_ms": n}: so much chain time passes at once, with a block at every maintenance and all other slots missed."""
    ask.node.advance(_between(ask, "advance_ms", 1, ADVANCE_MS_MAX))
    return _heights(ask)


def decree(ask: Ask) -> Any:
    """{"getEnergyFee": 210, "factor:41...": 12000, "world:41...": 0}: in force when this answers, by an empty block."""
    try:
        ask.node.decree(dict(ask.body))
    except BadDecree as error:
        raise BadControl(str(error)) from error
    return _heights(ask)


def maintenance(ask: Ask) -> Any:
    """{"every_blocks": n}: two slots pass without a block before every n-th; 0 for never again."""
    ask.node.maintenance_blocks = _between(ask, "every_blocks", 0, 2**31)
    return {**_heights(ask), "maintenance_blocks": ask.node.maintenance_blocks}


def pause(ask: Ask) -> Any:
    ask.node.paused = True
    return _heights(ask)


def resume(ask: Ask) -> Any:
    ask.node.paused = False
    return _heights(ask)


def _heights(ask: Ask) -> dict[str, Any]:
    head, solid = ask.chain.head, ask.chain.solid
    return {
        "head": head.number,
        "head_id": head.block_id,
        "head_timestamp_ms": head.timestamp_ms,
        "solid": solid.number,
        "solid_id": solid.block_id,
        "paused": ask.node.paused,
    }


def usdt(ask: Ask) -> Any:
    """One of the owner's calls, signed by the owner: {"pause": true}, {"blacklist": "T..."}, {"set_params": [bps, max]}."""
    names = [name for name in _OWNER_CALLS if name in ask.body]
    if len(names) != 1:
        raise BadControl(f"name one of {', '.join(_OWNER_CALLS)}")
    signature, encode = _OWNER_CALLS[names[0]]
    genesis = ask.chain.genesis
    data = abi.selector_of(signature) + encode(ask.body[names[0]], genesis)
    return {"txid": _accepted(ask.node.call(genesis.treasury, USDT, data))}


def reorg(ask: Ask) -> Any:
    """{"depth": n, "drop": [txid], "keep_order": false, "vanish": false, "blocks": m}: node.reorg's own words apply."""
    drop = ask.body.get("drop") or []
    if not isinstance(drop, list) or not all(isinstance(txid, str) for txid in drop):
        raise BadControl("drop must be a list of txids")
    depth = ask.integer("depth")
    blocks = _between(ask, "blocks", 1, BRANCH_MAX) if "blocks" in ask.body else None
    left = [block.block_id for block in ask.chain.blocks[-depth:]]
    try:
        built = ask.node.reorg(
            depth,
            [txid.lower() for txid in drop],
            keep_order=ask.flag("keep_order"),
            vanish=ask.flag("vanish"),
            blocks=blocks,
        )
    except CannotFork as error:
        raise BadControl(str(error)) from error
    return {**_heights(ask), "orphaned": left, "blocks": [block.block_id for block in built]}


def faults(ask: Ask) -> Any:
    """What is armed, and how many answers each kind has changed since the last clearing."""
    return {"armed": ask.node.faults.armed, "struck": dict(ask.node.faults.struck)}


def arm(ask: Ask) -> Any:
    """{"kind": ..., "times": 1, "path": ...} and what the kind takes besides: code, message, blocks, seconds, txid."""
    fields = dict(ask.body)
    try:
        ask.node.faults.arm(str(fields.pop("kind", "")), **fields)
    except BadFault as error:
        raise BadControl(str(error)) from error
    return faults(ask)


def clear(ask: Ask) -> Any:
    ask.node.clear_faults()
    return faults(ask)


def _accepted(verdict: Verdict) -> str:
    if not verdict.accepted:
        raise BadControl(f"{verdict.code}: {verdict.message}")
    return verdict.txid


def _given(ask: Ask, verdict: Verdict, currency: str) -> str:
    txid = _accepted(verdict)
    waiting = ask.chain.pending(txid)
    if waiting and waiting.trial.contract_ret != SUCCESS:
        raise BadControl(f"{txid} will fail: the faucet has not so much {currency}, or the token is paused")
    return txid


def _address(value: Any) -> Address:
    try:
        return Address.from_hex(value) if str(value).startswith("41") else Address.from_base58(str(value))
    except InvalidAddress as error:
        raise BadControl(f"address: {error}") from error


def _amount(value: Any, currency: str) -> int:
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        raise BadControl(f'{currency.lower()}: write the amount as text, such as "12.50"')
    try:
        return parse_amount(str(value), currency)
    except InvalidAmount as error:
        raise BadControl(f"{currency.lower()}: {error}") from error


def _between(ask: Ask, name: str, least: int, most: int, *, default: int = 0) -> int:
    value = ask.integer(name, default)
    if not least <= value <= most:
        raise BadControl(f"{name} must be between {least} and {most}")
    return value


def _params(value: Any, _: Genesis) -> bytes:
    try:
        rate, most = value.values() if isinstance(value, Mapping) else value
        return abi.of_uint(int(rate)) + abi.of_uint(int(most))
    except (TypeError, ValueError, OverflowError) as error:
        raise BadControl("set_params takes [basis points, maximum fee in USDT]") from error


def _one_address(value: Any, _: Genesis) -> bytes:
    return abi.of_address(_address(value).evm)


def _successor(value: Any, genesis: Genesis) -> bytes:
    """The address given, or, for true, the devnet's own successor contract."""
    return abi.of_address(genesis.successor.evm) if value is True else _one_address(value, genesis)


def _nothing(_: Any, __: Genesis) -> bytes:
    return b""


_OWNER_CALLS: Final[Mapping[str, tuple[str, Callable[[Any, Genesis], bytes]]]] = {
    "pause": ("pause()", _nothing),
    "unpause": ("unpause()", _nothing),
    "blacklist": ("addBlackList(address)", _one_address),
    "unblacklist": ("removeBlackList(address)", _one_address),
    "destroy": ("destroyBlackFunds(address)", _one_address),
    "set_params": ("setParams(uint256,uint256)", _params),
    "deprecate": ("deprecate(address)", _successor),
}

CONTROLS: Final[Mapping[tuple[str, str], Callable[[Ask], Any]]] = {
    ("GET", "info"): info,
    ("POST", "faucet"): faucet,
    ("POST", "forward"): forward,
    ("POST", "mine"): mine,
    ("POST", "pause"): pause,
    ("POST", "resume"): resume,
    ("POST", "usdt"): usdt,
    ("POST", "reorg"): reorg,
    ("POST", "maintenance"): maintenance,
    ("POST", "parameters"): decree,
    ("POST", "time"): advance,
    ("GET", "faults"): faults,
    ("POST", "faults"): arm,
    ("DELETE", "faults"): clear,
}
