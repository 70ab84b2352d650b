"""TronGrid's /v1 beside java-tron: events of a contract, TRC-20 transfers of an account, with its paging.

Newest first unless order_by says otherwise. The trc20 rows have neither block number nor log index: they never had.
"""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

from core.tron.address import Address
from gateways.devnet.chain.block import Block, Included
from gateways.devnet.http import parsing
from gateways.devnet.http.ask import Ask
from gateways.devnet.machine.abi import Event
from gateways.devnet.machine.machine import Log
from gateways.devnet.machine.tether import APPROVAL, EVENTS, TRANSFER, TetherToken

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 200
FOREVER_MS: Final = 2**63 - 1
_EVENTS: Final = {event.topic: event for event in EVENTS}

Row = dict[str, Any]
_Logged = tuple[Block, Included, int, Log]


def answer(ask: Ask, path: str, url: Any) -> tuple[int, Any]:
    """-> (status, body); a limit above 200 is a 400 with an empty body. `url` is where the next page is asked for."""
    match path.strip("/").split("/")[1:]:
        case ["contracts", contract, "events"]:
            rows = _contract_events(ask, parsing.address(contract))
        case ["accounts", account, "transactions", "trc20"]:
            rows = _account_transfers(ask, parsing.address(account))
        case ["transactions", txid, "events"]:
            rows = (_event_row(ask, each) for each in _logs(ask) if each[1].transaction.txid == txid)
        case ["blocks", number, "events"]:
            wanted = ask.top.number if number == "latest" else parsing.integer(number)
            rows = (_event_row(ask, each) for each in _logs(ask) if each[0].number == wanted)
        case _:
            return 404, {"success": False, "error": "not found", "statusCode": 404}
    return _page(ask, url, rows)


def _contract_events(ask: Ask, contract: bytes) -> Iterator[Row]:
    wanted = ask.text("event_name")
    for each in _logs(ask):
        if each[3].address == contract[1:]:
            row = _event_row(ask, each)
            if not wanted or row["event_name"] == wanted:
                yield row


def _account_transfers(ask: Ask, account: bytes) -> Iterator[Row]:
    only_contract = parsing.address(ask.text("contract_address"))
    only_to, only_from = ask.flag("only_to"), ask.flag("only_from")
    for block, included, _, log in _logs(ask):
        event = _EVENTS.get(log.topics[0])
        if event not in (TRANSFER, APPROVAL) or (only_contract and log.address != only_contract[1:]):
            continue
        sender, receiver = log.topics[1][12:], log.topics[2][12:]
        if account[1:] in ({receiver} if only_to else {sender} if only_from else {sender, receiver}):
            yield _transfer_row(ask, block, included, log, event)


def _logs(ask: Ask) -> Iterator[_Logged]:
    """Every log in the order asked for, within the timestamps asked for; the solid ones only when so wished."""
    top = ask.solid_head.number if ask.flag("only_confirmed") else ask.head.number
    lowest = max(ask.integer("min_timestamp"), ask.integer("min_block_timestamp"))
    highest = min(ask.integer("max_timestamp", FOREVER_MS), ask.integer("max_block_timestamp", FOREVER_MS))
    ascending = ask.text("order_by").endswith(",asc")
    step = 1 if ascending else -1
    for number in range(top + 1)[::step]:
        block = ask.chain.blocks[number]
        if not block.included or not lowest <= block.timestamp_ms <= highest:
            continue
        for included in block.included[::step]:
            for index, log in list(enumerate(included.outcome.logs))[::step]:
                yield block, included, index, log


def _event_row(ask: Ask, logged: _Logged) -> Row:
    block, included, index, log = logged
    event = _EVENTS[log.topics[0]]
    row = {
        "block_number": block.number,
        "block_timestamp": block.timestamp_ms,
        "caller_contract_address": Address(included.outcome.contract).base58,
        "contract_address": Address.from_evm(log.address).base58,
        "event_index": index,
        "event_name": event.name,
        "event": f"{event.name}({', '.join(_declared(event))})",
        "result": _values(event, log),
        "result_type": {text.split(" ")[1]: text.split(" ")[0] for text in event.indexed + event.plain},
        "transaction_id": included.transaction.txid,
    }
    if block.number > ask.solid_head.number:
        row["_unconfirmed"] = True
    return row


def _declared(event: Event) -> list[str]:
    return [" indexed ".join(text.split(" ")) for text in event.indexed] + list(event.plain)


def _values(event: Event, log: Log) -> dict[str, str]:
    """Each argument by position and by name: addresses as 0x and 20 bytes, numbers in decimal."""
    words = [*log.topics[1:], *(log.data[i : i + 32] for i in range(0, len(log.data), 32))]
    values: dict[str, str] = {}
    for position, (text, word) in enumerate(zip(event.indexed + event.plain, words, strict=True)):
        kind, name = text.split(" ")
        value = f"0x{word[12:].hex()}" if kind == "address" else str(int.from_bytes(word, "big"))
        values[str(position)] = values[name] = value
    return values


def _transfer_row(ask: Ask, block: Block, included: Included, log: Log, event: Event) -> Row:
    token = Address.from_evm(log.address)
    code = ask.chain.machine.contracts[token]
    assert isinstance(code, TetherToken)
    return {
        "transaction_id": included.transaction.txid,
        "token_info": {
            "symbol": code.symbol,
            "address": token.base58,
            "decimals": code.decimals,
            "name": code.title,
        },
        "block_timestamp": block.timestamp_ms,
        "from": Address.from_evm(log.topics[1][12:]).base58,
        "to": Address.from_evm(log.topics[2][12:]).base58,
        "type": event.name,
        "value": str(int.from_bytes(log.data, "big")),
    }


def _page(ask: Ask, url: Any, rows: Iterator[Row]) -> tuple[int, Any]:
    """One page; the fingerprint of the next is how many rows came before it."""
    limit = ask.integer("limit", LIMIT_DEFAULT)
    if not 0 < limit <= LIMIT_MAX:
        return 400, None
    start = ask.integer("fingerprint")
    data: list[Row] = []
    meta: dict[str, Any] = {"at": ask.node.clock_ms(), "page_size": 0}
    for position, row in enumerate(rows):
        if position == start + limit:
            meta["fingerprint"] = str(position)
            query = urlencode({**ask.body, "fingerprint": position})
            meta["links"] = {"next": f"{url.scheme}://{url.netloc}{url.path}?{query}"}
            break
        if position >= start:
            data.append(row)
    meta["page_size"] = len(data)
    return 200, {"data": data, "success": True, "meta": meta}
