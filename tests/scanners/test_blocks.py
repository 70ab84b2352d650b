"""What is a transfer and what is not; and which answers of a node are believed."""

import contextlib

import coincurve
import msgspec
import pytest

from core.ports.scanning import Cursor
from core.tron.address import Address
from core.tron.chain import Block, BlockRef, ChainTransaction, Log, Producer, Receipt
from core.tron.secp256k1 import recover, sha256
from core.tron.transactions import HEADER_RAW
from scanners.blocks import (
    ImpossibleAmount,
    IncompleteReceipts,
    InvalidBlock,
    NotWhole,
    Transfer,
    UnknownProducer,
    Unlinked,
    WrongHeader,
    WrongSignature,
    WrongTransactions,
    block_id,
    check,
    check_link,
    transfers,
    tx_trie_root,
)
from scanners.producers import MAINTENANCE_MS, Producers
from tests.support.chain import (
    USDT,
    WITNESS,
    Included,
    MemoryChain,
    block_of,
    person,
    token_call,
    transfer_log,
    trx_transfer,
    usdt_transfer,
)

pytestmark = pytest.mark.fast

US, THEM, PAYER = person(10), person(11), person(1)
FAKE_USDT = person(99)


def found(*included: Included) -> list[tuple[int | None, int, str]]:
    """(log index, amount, currency) of the transfers in a block of these transactions."""
    chain = MemoryChain()
    block = chain.mine(*included)
    return [(t.log_index, t.amount_minor, t.currency) for t in transfers(block, chain.receipts(1), USDT.evm)]


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def shaped(topics: int = 3, data: bytes = word(5)) -> Log:
    whole = transfer_log(PAYER, US, 5)
    return Log(USDT.evm, (*whole.topics, word(1))[:topics], data)


@pytest.mark.parametrize(
    ("case", "included", "expected"),
    [
        ("a plain transfer", usdt_transfer(1, US, 12_500_000), [(0, 12_500_000, "USDT")]),
        (
            "three logs of one multisend, two of them equal",
            token_call(1, *(transfer_log(PAYER, US, amount) for amount in (7, 7, 9))),
            [(0, 7, "USDT"), (1, 7, "USDT"), (2, 9, "USDT")],
        ),
        (
            "the index counts the logs of other contracts, too",
            token_call(1, transfer_log(PAYER, US, 7, FAKE_USDT), transfer_log(PAYER, US, 8)),
            [(1, 8, "USDT")],
        ),
        ("another token of the same name", token_call(1, transfer_log(PAYER, US, 10**12, FAKE_USDT)), []),
        ("a value of zero", usdt_transfer(1, US, 0), []),
        ("a reverted call", token_call(1, transfer_log(PAYER, US, 10**9), result="REVERT"), []),
        ("a call that ran out of energy", token_call(1, transfer_log(PAYER, US, 1), result="OUT_OF_ENERGY"), []),
        ("two topics", token_call(1, shaped(topics=2)), []),
        ("four topics", token_call(1, shaped(topics=4)), []),
        ("no topic", token_call(1, Log(USDT.evm, (), b"")), []),
        ("data of 31 bytes", token_call(1, shaped(data=bytes(30) + b"\x05")), []),
        ("data of two words", token_call(1, shaped(data=word(5) + word(5))), []),
        ("another event", token_call(1, Log(USDT.evm, (word(3), word(4), word(5)), word(6))), []),
        ("a TRX transfer", trx_transfer(1, US, 3_000_000), [(None, 3_000_000, "TRX")]),
        ("no log at all", token_call(1), []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_transfer_is_the_tokens_log_in_a_successful_receipt(
    case: str, included: Included, expected: list[tuple[int | None, int, str]]
) -> None:
    """Only Transfer logs of the USDT contract with a value, and successful TRX transfers, are transfers."""
    assert found(included) == expected


def test_the_address_is_the_last_twenty_bytes_of_the_topic() -> None:
    """Garbage before an address in its topic changes nothing."""
    clean = transfer_log(PAYER, US, 5)
    dirty = msgspec.structs.replace(clean, topics=(*clean.topics[:2], bytes(11) + b"\x41" + US.evm))
    chain = MemoryChain()
    block = chain.mine(token_call(1, dirty))
    [transfer] = transfers(block, chain.receipts(1), USDT.evm)
    assert (transfer.sender, transfer.receiver) == (PAYER.evm, US.evm)


def test_recorded_mainnet_receipt() -> None:
    """The Transfer log of mainnet transaction 0130dfde reads as 41.677389 USDT from TL24LC... to TXZoZR..."""
    txid = "0130dfde9281a48378109039ef512229d5359fbee2a8adbb17ad73aebc67ea99"
    sender, receiver = "6e3b44b96104b26f84057974a1f0c9880f7c9b13", "ec20315a879c48f5e3a6a1c9826d5225f8b658b8"
    log = Log(
        bytes.fromhex("a614f803b6fd780986a42c78ec9c7f77e6ded13c"),
        (
            bytes.fromhex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"),
            bytes(12) + bytes.fromhex(sender),
            bytes(12) + bytes.fromhex(receiver),
        ),
        bytes.fromhex("00000000000000000000000000000000000000000000000000000000027bf24d"),
    )
    receipt = Receipt(txid, 69316562, 1738601505000, 26420100, "SUCCESS", failed=False, logs=(log,))
    ref = BlockRef(69316562, "00" * 32, "00" * 32, 1738601505000)
    block = Block(ref, b"", b"", b"", b"", (ChainTransaction(txid, b"", (), "SUCCESS"),))
    [transfer] = transfers(block, [receipt], USDT.evm)
    expected = Transfer(txid, 0, bytes.fromhex(sender), bytes.fromhex(receiver), 41_677_389, "USDT")
    assert transfer == expected
    fact = transfer.fact(ref, "payin")
    assert (fact.from_address, fact.stream) == ("TL24LCps5FKwp3PoU1MvrYrwhi5LU1tHre", f"deposit-{txid}-0")


def test_an_amount_that_no_account_can_hold_is_refused_loudly() -> None:
    """A transfer to us above 2^63 - 1 raises; exactly 2^63 - 1 is a fact."""
    ref = BlockRef(1, "00" * 32, "00" * 32, 0)
    largest = Transfer("00" * 32, 0, PAYER.evm, US.evm, 2**63 - 1, "USDT")
    assert largest.fact(ref, "payin").amount_minor == 2**63 - 1
    with pytest.raises(ImpossibleAmount):
        msgspec.structs.replace(largest, amount_minor=2**63).fact(ref, "payin")


def test_unknown_fields_in_a_stranger_s_transaction_stop_nobody() -> None:
    """A TRX transfer with a field that this version does not know is read all the same, as java-tron does."""
    plain = trx_transfer(1, US, 5)
    odd = plain.transaction.raw_data + b"\xaa\x06\x03odd" + b"\xa8\x06\x07" + b"\xa9\x06" + bytes(8)
    transaction = msgspec.structs.replace(plain.transaction, raw_data=odd)
    chain = MemoryChain()
    block = chain.mine(Included(transaction, plain.receipt))
    assert [t.amount_minor for t in transfers(block, chain.receipts(1), USDT.evm)] == [5]


@pytest.mark.parametrize(
    ("case", "lie"),
    [
        ("no receipts at all", lambda receipts: []),
        ("one is missing", lambda receipts: receipts[:1]),
        ("one is there twice", lambda receipts: [*receipts, receipts[0]]),
        ("one twice instead of another", lambda receipts: [receipts[0], receipts[0]]),
        (
            "one of another transaction",
            lambda receipts: [receipts[0], msgspec.structs.replace(receipts[1], txid="ab" * 32)],
        ),
        (
            "one of another block",
            lambda receipts: [receipts[0], msgspec.structs.replace(receipts[1], block_number=2)],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_receipts_must_be_exactly_the_block_s(case: str, lie: object) -> None:
    """Receipts that are not those of the block's transactions, one each, are not read (FAILURES 2)."""
    assert callable(lie)
    chain = MemoryChain()
    block = chain.mine(usdt_transfer(1, US, 5), usdt_transfer(2, THEM, 6))
    assert len(transfers(block, chain.receipts(1), USDT.evm)) == 2
    with pytest.raises(IncompleteReceipts):
        transfers(block, lie(chain.receipts(1)), USDT.evm)


def test_an_empty_block_has_no_receipts() -> None:
    """A block without transactions is complete with no receipts, and gives no transfer."""
    assert found() == []


# Mainnet block 13,232,131, as a node prints it.
HEADER = {
    "number": 13232131,
    "txTrieRoot": bytes.fromhex("1b8e8977290caedf6de737f3e42d142c5c603d20d46942bb47a75963ec78709d"),
    "witness_address": bytes.fromhex("41ad3353aa1343b90a311f09b784c76f089d278232"),
    "parentHash": bytes.fromhex("0000000000c9e802e54079a6a84e92315f8b8dbcbefd9b151dc2317d27523049"),
    "version": 20,
    "timestamp": 1615967187000,
}
BLOCK_ID = "0000000000c9e803d5258a17e15172768b41ffb69e857530e7d9f7a92ccb78e8"
WITNESS_SIGNATURE = (
    "aa4ed732351f8abda25ce74255393dbeff305d132d4d25d5839dffed0298be6e67e9d4672ad404f9b198854c6378b25b"
    "ed3759995c249278e5c0f1d489ff910201"
)
TRANSACTIONS = (
    (
        "738c8bdf8f2a38147a8a4643bb184cfde41b22707585669a2cfb15b3b7d869bf",
        "0a02e7f0220885fc9d795829e08940e09d9df9832f5a69080112650a2d747970652e676f6f676c65617069732e636f6d2f70726f746f"
        "636f6c2e5472616e73666572436f6e747261637412340a154141f0a2b01c950b4d38c9abfe9b96579dea0651681215412e961e2d6493"
        "b2bc728d06d024c0e2a6310635381880e497d01270e7cc99f9832f",
        "51911c415dc290b1500562d41570009bbbe0827d231999ea7de1f0bbb1665b436e9a1f0c3eeff34f3df2290da5706f920e95b58a5582"
        "7d7202f81fd45960a7ea01",
    ),
    (
        "5d79ef636445e261fa090cdb5d23d7f8e0443778cb74df2c3ee34a9462645f67",
        "0a02e7f0220885fc9d795829e08940e09d9df9832f5a69080112650a2d747970652e676f6f676c65617069732e636f6d2f70726f746f"
        "636f6c2e5472616e73666572436f6e747261637412340a154141f0a2b01c950b4d38c9abfe9b96579dea06516812154131ee9cedde5c"
        "5e0de33f26b3ba6596b0fef610f31880e497d0127091cd99f9832f",
        "b03901e89ee688c819bc885f7f4789e5f47c1eb23bdbb9ee334516f9f43e86ce2968913414cc82113c5ec6ff993a9075e23cf8147492"
        "0c9b4da94ad2a096310e01",
    ),
    (
        "ec0fa0d734c1d5815cee80b7accce61b0cda8a87e8d3e40061595104a4142430",
        "0a02e7ef2208ca589e3ac0ae638340a8869df9832f520c73656e6420746f20746f6e795aae01081f12a9010a31747970652e676f6f67"
        "6c65617069732e636f6d2f70726f746f636f6c2e54726967676572536d617274436f6e747261637412740a1541bcaadebd7d6951971e"
        "4876f79fd95351bd5571dc12154135cf7d6a20a1f7149e5f99442334257a95e8f28e2244a9059cbb00000000000000000000000001c1"
        "2a552c8a35051153c05792249d2512f011ba000000000000000000000000000000000000000000000000112209c76de800007095ca99"
        "f9832f9001809bee02",
        "542dc9f8a72fd3d96a03e4075789cdd017f9c7a30522fffbd1c4a2def34dfcbf0ccdc3302507168c4cc41715d778ce3f452b988840c2"
        "3f80cd4985fbc75f733a01",
    ),
)


def mainnet_block() -> Block:
    header_raw = HEADER_RAW.encode(HEADER)
    return Block(
        ref=BlockRef(13232131, BLOCK_ID, HEADER["parentHash"].hex(), 1615967187000),  # type: ignore[attr-defined]
        witness=HEADER["witness_address"],  # type: ignore[arg-type]
        witness_signature=bytes.fromhex(WITNESS_SIGNATURE),
        tx_trie_root=HEADER["txTrieRoot"],  # type: ignore[arg-type]
        header_raw=header_raw,
        transactions=tuple(
            ChainTransaction(txid, bytes.fromhex(raw), (bytes.fromhex(signature),), "SUCCESS")
            for txid, raw, signature in TRANSACTIONS
        ),
    )


class Mainnet:
    """States one producer, who signs with a key."""

    def __init__(self, address: bytes, active: bool = True, latest_block: int = 0, key: bytes | None = None) -> None:
        self.stated = [Producer(address, active, latest_block)]
        self.key = key
        self.asked = 0

    def producers(self) -> list[Producer]:
        self.asked += 1
        return self.stated

    def producer_key(self, address: bytes) -> bytes:
        return self.key or address


def believe(block: Block, network: Mainnet | None = None) -> None:
    check(block)
    Producers(network or Mainnet(mainnet_block().witness)).check(block)


def test_a_recorded_mainnet_block_is_believed() -> None:
    """Block 13,232,131 hashes to its id, its transactions to txTrieRoot, and its producer signed it."""
    block = mainnet_block()
    believe(block)
    assert tx_trie_root(block.transactions) == block.tx_trie_root
    assert recover(sha256(block.header_raw), block.witness_signature) == Address(block.witness)


@pytest.mark.parametrize(
    ("case", "fault", "change"),
    [
        ("another id", WrongHeader, {"ref": BlockRef(13232131, "00" * 32, HEADER["parentHash"].hex(), 1615967187000)}),  # type: ignore[attr-defined]
        ("another parent", WrongHeader, {"ref": BlockRef(13232131, BLOCK_ID, "00" * 32, 1615967187000)}),
        (
            "another height",
            WrongHeader,
            {"ref": BlockRef(13232132, BLOCK_ID, HEADER["parentHash"].hex(), 1615967187000)},
        ),  # type: ignore[attr-defined]
        (
            "another timestamp",
            WrongHeader,
            {"ref": BlockRef(13232131, BLOCK_ID, HEADER["parentHash"].hex(), 1615967187001)},
        ),  # type: ignore[attr-defined]
        ("another producer", WrongHeader, {"witness": bytes(person(3))}),
        ("another root", WrongHeader, {"tx_trie_root": bytes(32)}),
        ("all transactions left out", WrongTransactions, {"transactions": ()}),
        ("a transaction left out", NotWhole, {"transactions": mainnet_block().transactions[:2]}),
        ("transactions in another order", NotWhole, {"transactions": mainnet_block().transactions[::-1]}),
        (
            "a failed transaction shown as successful",
            NotWhole,
            {
                "transactions": (
                    msgspec.structs.replace(mainnet_block().transactions[0], contract_ret="REVERT"),
                    *mainnet_block().transactions[1:],
                )
            },
        ),
        (
            "a txid that is not its bytes' hash",
            WrongTransactions,
            {
                "transactions": (
                    msgspec.structs.replace(mainnet_block().transactions[0], txid="00" * 32),
                    *mainnet_block().transactions[1:],
                )
            },
        ),
        (
            "a contract result that does not exist",
            NotWhole,
            {
                "transactions": (
                    msgspec.structs.replace(mainnet_block().transactions[0], contract_ret="FINE"),
                    *mainnet_block().transactions[1:],
                )
            },
        ),
        ("a header of other bytes", WrongHeader, {"header_raw": b"\x08\x01"}),
        ("a header that is no protobuf", WrongHeader, {"header_raw": b"\xff"}),
        ("another signature", WrongSignature, {"witness_signature": bytes.fromhex(WITNESS_SIGNATURE[:-2] + "00")}),
        ("no signature", WrongSignature, {"witness_signature": b""}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_block_that_does_not_follow_from_its_bytes_is_refused(
    case: str, fault: type[InvalidBlock], change: dict[str, object]
) -> None:
    """Whatever of a block is changed, it is no longer believed, and the fault has a name."""
    with pytest.raises(InvalidBlock) as refused:
        believe(msgspec.structs.replace(mainnet_block(), **change))
    assert type(refused.value) is fault


@pytest.mark.parametrize(
    ("case", "network", "fault"),
    [
        ("active", Mainnet(mainnet_block().witness), None),
        ("voted out since", Mainnet(mainnet_block().witness, active=False, latest_block=13232131), None),
        ("voted out before", Mainnet(mainnet_block().witness, active=False, latest_block=13232130), UnknownProducer),
        ("never named", Mainnet(bytes(person(3))), UnknownProducer),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_may_produce_a_block(case: str, network: Mainnet, fault: type[InvalidBlock] | None) -> None:
    """A block's producer is active now, or has produced this block or later ones before it was voted out."""
    with pytest.raises(fault) if fault else contextlib.nullcontext():
        believe(mainnet_block(), network)


def test_a_producer_may_have_another_key_sign() -> None:
    """A block signed by the key that the witness permission names is believed, one by any other key is not."""
    block = msgspec.structs.replace(MemoryChain().mine(), witness=bytes(person(3)))
    Producers(Mainnet(bytes(person(3)), key=bytes(WITNESS))).check(block)
    with pytest.raises(WrongSignature):
        Producers(Mainnet(bytes(person(3)))).check(block)


def test_the_active_set_is_asked_for_at_a_maintenance_and_for_a_stranger() -> None:
    """The set is asked for once in six hours of blocks, and whenever a producer is not in it."""
    network = Mainnet(bytes(WITNESS))
    producers = Producers(network)
    chain = MemoryChain()
    chain.mine(blocks=20)
    for block in chain.blocks:
        producers.check(block)
    assert network.asked == 1
    chain.nonce += MAINTENANCE_MS // 3_000
    producers.check(chain.mine())
    assert network.asked == 2
    last = chain.blocks[-1].ref
    elected = coincurve.PrivateKey(b"\x08" * 32)
    block = block_of(last.number + 1, bytes.fromhex(last.block_id), last.timestamp_ms, bytes(32), (), elected)
    with pytest.raises(UnknownProducer):
        producers.check(block)
    network.stated.append(Producer(block.witness, active=True, latest_block=0))
    producers.check(block)
    producers.check(block)
    assert network.asked == 4


def test_a_block_links_to_its_parent_by_height_and_hash() -> None:
    """The child of the cursor's block links; a block of another parent or height does not."""
    chain = MemoryChain()
    chain.mine(blocks=2)
    parent = Cursor(1, chain.blocks[1].ref.block_id)
    check_link(parent, chain.blocks[2])
    with pytest.raises(Unlinked):
        check_link(Cursor(1, block_id(1, b"other")), chain.blocks[2])
    with pytest.raises(Unlinked):
        check_link(Cursor(0, parent.block_id), chain.blocks[2])
