"""What moved in solid blocks, read from the devnet's own execution and never through the product's scanner."""

from collections.abc import Iterator

from core.tron.address import TRANSFER_TOPIC
from core.tron.transactions import TRANSFER
from gateways.devnet.chain.genesis import USDT
from tests.simulation.system import System

Credit = tuple[str, int | None, bytes, int, str]
"""(txid, log index, receiver's 20 bytes, minor units, currency); TRX by contracts has an index below zero."""
_TRANSFER = bytes.fromhex(TRANSFER_TOPIC)


def on_chain(system: System) -> Iterator[tuple[bytes, Credit]]:
    """(sender, credit) of every transfer of USDT and TRX in solid blocks, as the chain itself executed them."""
    for block in system.devnet.chain.blocks[1 : system.devnet.chain.solid.number + 1]:
        for each in block.included:
            txid, outcome = each.transaction.txid, each.outcome
            if outcome.contract_ret != "SUCCESS":
                continue
            if each.transaction.kind == TRANSFER:
                to, amount = each.transaction.parameter["to_address"], each.transaction.parameter["amount"]
                yield each.transaction.owner[1:], (txid, None, to[1:], amount, "TRX")
            for index, log in enumerate(outcome.logs):
                if log.address == USDT.evm and log.topics[0] == _TRANSFER:
                    amount = int.from_bytes(log.data, "big")
                    yield log.topics[1][12:], (txid, index, log.topics[2][12:], amount, "USDT")
            for place, it in enumerate(outcome.internal):
                if not it.rejected and it.caller != it.receiver:
                    yield it.caller.evm, (txid, -1 - place, it.receiver.evm, it.amount_sun, "TRX")


def is_hidden(system: System, credit: Credit) -> bool:
    """Whether no two nodes show it: the books cannot know, and the wallets' watch has to find it."""
    _, log_index, *_ = credit
    return log_index is not None and log_index < 0 and not system.sees_internal
