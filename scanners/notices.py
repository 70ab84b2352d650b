"""Pure: a block and its receipts in, what a person must know of our wallets and of the token out.

Nobody but the holder of our keys can make a transaction of ours; but anybody can put the bytes of our addresses into one
of his. So what merely looks like ours is asked about, and what is ours is read exactly.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from core.streams.notices import Kind, Notice
from core.tron.address import Address
from core.tron.chain import Block, BlockRef, ChainTransaction, Log, Receipt
from core.tron.transactions import only_contract, owner_of
from scanners.blocks import AMOUNT_MAX, Transfer, read_trx_transfer

_TOPICS: Final[dict[str, Kind]] = {
    "6985a02210a168e66602d3235cb6db0e70f92b3ba4d376a33c0f3d9434bff625": "token_paused",  # Pause()
    "7805862f689e2f13df9f062ff482ad3ad112aca9e0847911ed832e158c525b33": "token_unpaused",  # Unpause()
    "cc358699805e9a8b7f77b522628c7cb9abd07d9efb86b6fb616af1609036a99e": "token_deprecated",  # Deprecate(address)
    "b044a1e409eac5c48e5af22d4af52670dd1a99059537a78b31b48c6500a6354e": "token_fee_changed",  # Params(uint256,uint256)
    "42e160154868087d6bfdc0ca23d96a1c1cfa32f1b72ba9ba27b69b98a0d819dc": "address_blacklisted",  # AddedBlackList(address)
    "d7e9ec6e6ecd65492dce6bf513cd6867560d49544421d0783ddf06e76c24470c": "address_cleared",  # RemovedBlackList(address)
    "61e6e66b0d6339b2980aecc6ccc0039736791f0ccde9ed512e789a7fbdd698c6": "funds_destroyed",  # DestroyedBlackFunds(…)
}
TOKEN_EVENTS: Final = {bytes.fromhex(topic): kind for topic, kind in _TOPICS.items()}
HELD_HERE: Final = ("hot", "gas", "payin")
"""Wallets whose keys are held here. The cold wallet's owner moves its coins by hand, to the others without a word."""
PERMISSION_UPDATE: Final = 46
_ADDRESS_MAYBE: Final = re.compile(rb"\x41(?=(.{20}))", re.DOTALL)
"""Anything that may be an address, wherever it stands: java-tron takes the length before it in many spellings."""


class Sent(msgspec.Struct, frozen=True):
    """A transaction that an address of ours owns: our key, or one that was given its permission, signed it."""

    txid: str
    owner: Address
    wallet: str
    contract_type: int
    contract_ret: str


def addresses_in(block: Block) -> set[bytes]:
    """20-byte addresses among which are the owners of all its transactions, and others: candidates to ask about."""
    return {found for transaction in block.transactions for found in _ADDRESS_MAYBE.findall(transaction.raw_data)}


def tokens_addresses(receipts: Sequence[Receipt], usdt: bytes) -> set[bytes]:
    """20-byte addresses that the token's own events name."""
    return {_words(log)[0][12:] for _, _, _, log in _token_logs(receipts, usdt) if _words(log)}


def sent_by_us(block: Block, wallets: Mapping[bytes, str]) -> list[Sent]:
    """The transactions in the block whose owner is ours, in order."""
    found = []
    for transaction in _naming_us(block, wallets):
        with contextlib.suppress(ValueError):  # `unreadable` tells of these
            kind, owner = _owner(transaction)
            if owner.evm in wallets:
                found.append(Sent(transaction.txid, owner, wallets[owner.evm], kind, transaction.contract_ret))
    return found


def unreadable(block: Block, wallets: Mapping[bytes, str]) -> list[str]:
    """A sentence for each successful transaction that holds an address of ours and cannot be read.

    What cannot be read and is about nobody of ours is passed over: a stranger may send what he likes (FAILURES 39).
    """
    found = []
    for transaction in _naming_us(block, wallets):
        try:
            _owner(transaction)
            if transaction.contract_ret == "SUCCESS":
                read_trx_transfer(transaction)
        except ValueError as error:
            found.append(
                f"transaction {transaction.txid} in block {block.ref.number} holds an address of ours and cannot be read:"
                f" {error}. Nothing was booked from it: look at it in an explorer, and run `counterfoil reconcile`"
            )
    return found


def _naming_us(block: Block, wallets: Mapping[bytes, str]) -> Iterator[ChainTransaction]:
    for transaction in block.transactions if wallets else ():
        if any(maybe in wallets for maybe in _ADDRESS_MAYBE.findall(transaction.raw_data)):
            yield transaction


def notices(
    block: Block,
    receipts: Sequence[Receipt],
    transfers: Sequence[Transfer],
    sent: Sequence[Sent],
    wallets: Mapping[bytes, str],
    usdt: bytes,
) -> list[Notice]:
    """What happened to the token and to our wallets, in the block's order. `wallets` knows all of ours among its addresses."""
    ref = block.ref
    found = [
        *_of_the_token(ref, receipts, usdt, wallets),
        *_of_our_keys(ref, sent),
        *_out(ref, transfers, sent, wallets),
    ]
    places = {transaction.txid: place for place, transaction in enumerate(block.transactions)}
    placed = [msgspec.structs.replace(it, place=places[it.txid]) for it in found]
    return sorted(placed, key=lambda it: it.moment)


def _of_the_token(
    ref: BlockRef, receipts: Sequence[Receipt], usdt: bytes, wallets: Mapping[bytes, str]
) -> Iterator[Notice]:
    for receipt, index, kind, log in _token_logs(receipts, usdt):
        words = _words(log)
        about = {}
        if kind in ("address_blacklisted", "address_cleared", "funds_destroyed"):
            if not words or words[0][12:] not in wallets:
                continue
            address = words[0][12:]
            about = {"address": Address.from_evm(address).base58, "wallet": wallets[address]}
        notice = _notice(ref, kind, receipt.txid, index, **about)
        match kind, words:
            case "funds_destroyed", [_, amount, *_]:
                notice = msgspec.structs.replace(notice, amount_minor=_bounded(amount), currency="USDT")
            case "token_fee_changed", [basis_points, maximum, *_]:
                notice = msgspec.structs.replace(
                    notice, basis_points=_bounded(basis_points), maximum_fee_minor=_bounded(maximum)
                )
            case "token_deprecated", [successor, *_]:
                notice = msgspec.structs.replace(notice, other_address=Address.from_evm(successor[12:]).base58)
        yield notice


def _of_our_keys(ref: BlockRef, sent: Sequence[Sent]) -> Iterator[Notice]:
    for it in sent:
        about = {"address": it.owner.base58, "wallet": it.wallet}
        if it.contract_type == PERMISSION_UPDATE:
            yield _notice(ref, "wallet_permission_changed", it.txid, None, **about)
        elif it.wallet in HELD_HERE:
            yield _notice(ref, "outgoing", it.txid, None, **about)


def _out(
    ref: BlockRef, transfers: Sequence[Transfer], sent: Sequence[Sent], wallets: Mapping[bytes, str]
) -> Iterator[Notice]:
    """Coins that leave us in transactions which the look at their owner does not report."""
    reported = {it.txid for it in sent if it.wallet in HELD_HERE}
    for it in transfers:
        wallet = wallets.get(it.sender)
        if wallet is None or it.txid in reported or (wallet not in HELD_HERE and it.receiver in wallets):
            continue
        about = {"address": Address.from_evm(it.sender).base58, "wallet": wallet, "currency": it.currency}
        notice = _notice(ref, "outgoing", it.txid, it.log_index, **about)
        yield msgspec.structs.replace(
            notice,
            other_address=Address.from_evm(it.receiver).base58,
            amount_minor=min(it.amount_minor, AMOUNT_MAX),
        )


def _token_logs(receipts: Sequence[Receipt], usdt: bytes) -> Iterator[tuple[Receipt, int, Kind, Log]]:
    for receipt in receipts:
        if receipt.failed or receipt.result != "SUCCESS":
            continue
        for index, log in enumerate(receipt.logs):
            kind = TOKEN_EVENTS.get(log.topics[0]) if log.topics and log.address == usdt else None
            if kind is not None:
                yield receipt, index, kind, log


def _words(log: Log) -> list[bytes]:
    """An event's arguments in order, whether indexed (topics) or not (data): the networks' contracts differ in that."""
    data = [log.data[at : at + 32] for at in range(0, len(log.data) - 31, 32)]
    return [*log.topics[1:], *data]


def _bounded(word: bytes) -> int:
    return min(int.from_bytes(word, "big"), AMOUNT_MAX)


def _notice(ref: BlockRef, kind: Kind, txid: str, log_index: int | None, **about: Any) -> Notice:
    return Notice(kind, txid, log_index, ref.number, ref.block_id, ref.timestamp_ms, **about)


def _owner(transaction: ChainTransaction) -> tuple[int, Address]:
    """-> (contract type, owner). Raises ValueError (MalformedProtobuf, InvalidAddress) where the bytes name none."""
    kind, type_name, parameter = only_contract(transaction.raw_data)
    return kind, Address(owner_of(type_name, parameter))
