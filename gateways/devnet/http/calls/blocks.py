"""Blocks, whole or as headers."""

import re

from gateways.devnet.chain.block import Block
from gateways.devnet.http import rendering
from gateways.devnet.http.ask import Answer, Ask

BLOCKS_MAX = 100
ID_LENGTH = 64


def get_now_block(ask: Ask) -> Answer:
    return rendering.block(ask.top, visible=ask.visible)


def get_block(ask: Ask) -> Answer:
    """By id, by number, or the newest; only the header unless `detail`."""
    wanted = ask.text("id_or_num")
    if not wanted:
        block: Block | None = ask.top
    elif len(wanted) == ID_LENGTH:
        block = ask.block_by_id(wanted)
    elif re.fullmatch("-?[0-9]+", wanted):
        if int(wanted) < 0:
            return {"Error": "num must be non-positive number."}
        block = ask.block(int(wanted))
    else:
        return {"Error": "id must be legal block hash."}
    return rendering.block(block, visible=ask.visible, detail=ask.flag("detail")) if block else {}


def get_block_by_num(ask: Ask) -> Answer:
    block = ask.block(ask.integer("num"))
    return rendering.block(block, visible=ask.visible) if block else {}


def get_block_by_id(ask: Ask) -> Answer:
    block = ask.block_by_id(ask.text("value"))
    return rendering.block(block, visible=ask.visible) if block else {}


def get_block_by_limit_next(ask: Ask) -> Answer:
    start, end = ask.integer("startNum"), ask.integer("endNum")
    if start < 0 or not 0 < end - start <= BLOCKS_MAX:
        return {}
    return _blocks(ask, range(start, end)) or {"block": []}


def get_block_by_latest_num(ask: Ask) -> Answer:
    count = ask.integer("num")
    if not 0 < count < BLOCKS_MAX:
        return {}
    return _blocks(ask, range(max(0, ask.top.number - count + 1), ask.top.number + 1))


def _blocks(ask: Ask, numbers: range) -> Answer:
    found = [block for number in numbers if (block := ask.block(number))]
    return {"block": [rendering.block(block, visible=ask.visible) for block in found]} if found else {}


def get_transaction_count_by_block_num(ask: Ask) -> Answer:
    block = ask.block(ask.integer("num"))
    return {"count": len(block.included) if block else 0}
