"""Transactions, their receipts, the pool, and broadcasting."""

import msgspec

from gateways.devnet.http import parsing, rendering
from gateways.devnet.http.ask import Answer, Ask
from gateways.devnet.state.transaction import decode


def get_transaction_by_id(ask: Ask) -> Answer:
    """Also what is only waiting, with the result of its trial: no evidence of inclusion."""
    txid = ask.text("value").lower()
    found = ask.find(txid)
    if found:
        return rendering.included(found[1], visible=ask.visible)
    waiting = None if ask.solid or ask.lag else ask.chain.pending(txid)
    if waiting is None:
        return {}
    ret = [{"contractRet": waiting.trial.contract_ret}]
    return rendering.transaction(waiting.transaction, visible=ask.visible, ret=ret)


def get_transaction_info_by_id(ask: Ask) -> Answer:
    found = ask.find(ask.text("value").lower())
    return rendering.transaction_info(*found, visible=ask.visible) if found else {}


def get_transaction_info_by_block_num(ask: Ask) -> Answer:
    """[] for an empty block and for an unknown one alike; {} for 0 and below."""
    number = ask.integer("num")
    if number <= 0:
        return {}
    block = ask.block(number)
    return rendering.transaction_infos(block, visible=ask.visible) if block else []


def get_pending_size(ask: Ask) -> Answer:
    return {"pendingSize": len(ask.chain.pool)}


def get_transaction_from_pending(ask: Ask) -> Answer:
    waiting = ask.chain.pending(ask.text("value").lower())
    return rendering.transaction(waiting.transaction, visible=ask.visible) if waiting else {}


def get_transaction_list_from_pending(ask: Ask) -> Answer:
    txids = ask.chain.pool.txids()
    return {"txId": txids} if txids else {}


def broadcast_transaction(ask: Ask) -> Answer:
    """Packs the bytes anew from raw_data; `code` appears only when it is not SUCCESS, messages are hex unless visible."""
    verdict = ask.broadcast(parsing.transaction(ask.body))
    if verdict.accepted:
        return {"result": True, "txid": verdict.txid}
    return {"code": verdict.code, "txid": verdict.txid, "message": ask.message(verdict.message)}


def broadcast_hex(ask: Ask) -> Answer:
    """Takes a signed Transaction's bytes as they are; messages are plain."""
    transaction, _ = decode(parsing.hexadecimal(ask.text("transaction")))
    verdict = ask.broadcast(transaction)
    printed = rendering.transaction(transaction, visible=ask.visible)
    message = rendering.without_defaults({name: printed.get(name) for name in ("raw_data", "signature")})
    return {
        "result": verdict.accepted,
        "code": verdict.code,
        "message": verdict.message,
        "transaction": msgspec.json.encode(message).decode(),
        "txid": verdict.txid,
    }
