"""Canonical examples, each once, and a history that has every kind of event in it but the treasury's own (treasury.py)."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import get_args

from core.ledger import books
from core.ledger.journal import TREASURY, credit, debit, derived_id
from core.ledger.ledger import Accepted, Command, Ledger
from core.streams.accounts import ChangeAccount, OpenLedgerAccount, RegisterAccount, RotateWebhookSecret
from core.streams.addresses import DisablePayin, RequestPayin
from core.streams.attempts import Attempt, BroadcastAttempt, ExpireAttempt, PrepareAttempt, ProofOfDeath, SignAttempt
from core.streams.deposits import ConfirmDeposit, DetectDeposit, OrphanDeposit, TransferFact
from core.streams.notices import EVENTS, Kind, Notice, RecordNotice
from core.streams.payout.ends import CancelPayout, ConfirmPayout, FailPayout
from core.streams.payout.turns import ExpeditePayout, WaitPayout
from core.streams.payouts import PayoutOrder, RequestPayout
from core.streams.signing import Cause, ResumeSigning
from core.streams.transfers import PostTransfer
from core.streams.treasury import PostAdjustment, RegisterWallet, Role
from core.tron.address import Address

ACTOR = "system:test"
ALICE = str(derived_id("account", "", "alice"))
BOB = str(derived_id("account", "", "bob"))
USDT = 1_000_000
"""Minor units of one USDT."""


def address(name: str) -> Address:
    """An address of nobody's key, the same for the same name."""
    return Address(b"\x41" + hashlib.sha256(name.encode()).digest()[:20])


def txid(name: str) -> str:
    """A transaction id, the same for the same name."""
    return hashlib.sha256(f"txid {name}".encode()).hexdigest()


ALICE_ADDRESS = address("alice's deposit address")
BOB_ADDRESS = address("bob's deposit address")
HOT_WALLET = address("hot wallet")
PAYEE = address("payee")
PAYER = address("payer")


class TickingClock:
    """Starts at 2026-01-01 and moves a second a look."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


def register(account_id: str, name: str, webhook_url: str | None = None) -> RegisterAccount:
    return RegisterAccount(account_id, name, webhook_url, ACTOR)


def payin(account_id: str, to: Address, name: str, reference: str | None = None) -> RequestPayin:
    return RequestPayin(
        payin_id=str(derived_id("payin", account_id, name)),
        account_id=account_id,
        address=to.base58,
        address_hex=to.hex(),
        key_id=f"m/44'/195'/0'/0/{name}",
        ledger_account=books.USER_LIABILITY,
        client_reference=reference,
        actor=ACTOR,
    )


def transfer(
    name: str,
    to: Address,
    amount_minor: int,
    *,
    log_index: int | None = 0,
    wallet: str = "payin",
    block: int = 100,
    branch: str = "",
) -> TransferFact:
    """A transfer from the payer; `branch` puts it into another block of the same height."""
    return TransferFact(
        txid=txid(name),
        log_index=log_index,
        from_address=PAYER.base58,
        to_address=to.base58,
        amount_minor=amount_minor,
        currency="TRX" if log_index is None or log_index < 0 else "USDT",
        wallet=wallet,
        block_number=block,
        block_id=f"{block:016x}" + txid(f"{block}{branch}")[16:],
        block_timestamp_ms=1_767_225_600_000 + 3_000 * block,
    )


def detect(fact: TransferFact) -> DetectDeposit:
    return DetectDeposit(fact, ACTOR)


def orphan(fact: TransferFact) -> OrphanDeposit:
    return OrphanDeposit(fact, ACTOR)


def confirm(fact: TransferFact, account_id: str = TREASURY, ledger_account: str = books.SUSPENSE) -> ConfirmDeposit:
    return ConfirmDeposit(fact, ACTOR, account_id=account_id, ledger_account=ledger_account)


def fund(account_id: str, amount_minor: int, name: str) -> PostAdjustment:
    """Coins the operator puts into custody for a client, booked in both books so that I10 holds."""
    lines = (
        debit(account_id, books.CLIENT_ASSET, amount_minor, "USDT"),
        credit(account_id, books.USER_LIABILITY, amount_minor, "USDT"),
        debit(TREASURY, books.HOT_WALLET, amount_minor, "USDT"),
        credit(TREASURY, books.CUSTODY_CONTROL, amount_minor, "USDT"),
    )
    return PostAdjustment(str(derived_id("adjustment", account_id, name)), "opening balance", lines, ACTOR)


def order(account_id: str, name: str, amount_minor: int, fee_minor: int = 0) -> PayoutOrder:
    return PayoutOrder(
        payout_id=str(derived_id("payout", account_id, name)),
        account_id=account_id,
        ledger_account=books.USER_LIABILITY,
        to_address=PAYEE.base58,
        amount_minor=amount_minor,
        fee_minor=fee_minor,
        currency="USDT",
        client_reference=name,
    )


def request_payout(wished: PayoutOrder) -> RequestPayout:
    return RequestPayout(wished, minimum_minor=1, actor=ACTOR)


def attempt(wished: PayoutOrder, number: int = 1) -> Attempt:
    raw_data = f"{wished.payout_id} {number}".encode()
    return Attempt(
        number=number,
        txid=hashlib.sha256(raw_data).hexdigest(),
        raw_data=raw_data.hex(),
        expiration_ms=1_767_225_660_000,
        ref_block_number=100,
        ref_block_id=f"{100:016x}" + "0" * 48,
        timestamp_ms=1_767_225_600_000,
        fee_limit_sun=100_000_000,
        from_address=HOT_WALLET.base58,
    )


def send(wished: PayoutOrder, number: int = 1) -> list[Command]:
    """Prepare, sign and broadcast one attempt."""
    tried = attempt(wished, number)
    return [
        PrepareAttempt(wished, ACTOR, attempt=tried),
        SignAttempt(wished, ACTOR, txid=tried.txid, signature="00" * 65),
        BroadcastAttempt(wished, ACTOR, txid=tried.txid),
    ]


def confirm_payout(wished: PayoutOrder, number: int = 1, burned_sun: int = 0) -> ConfirmPayout:
    sent = attempt(wished, number).txid
    return ConfirmPayout(
        wished, ACTOR, txid=sent, block_number=120, block_timestamp_ms=1_767_225_700_000, burned_sun=burned_sun
    )


PROOF = ProofOfDeath(
    first_block_number=101,
    first_block_id=f"{101:016x}" + "0" * 48,
    last_block_number=150,
    last_block_id=f"{150:016x}" + "0" * 48,
    last_timestamp_ms=1_767_225_700_000,
    blocks=50,
)
"""What the log says of the canonical attempt, if it was never mined."""


def expire(wished: PayoutOrder, number: int = 1) -> ExpireAttempt:
    return ExpireAttempt(
        wished,
        ACTOR,
        txid=attempt(wished, number).txid,
        proof=PROOF,
    )


def notice(kind: Kind) -> RecordNotice:
    """What a solid block shows of the token or of the hot wallet."""
    seen = Notice(kind, txid(kind), 0, 180, f"{180:016x}" + "0" * 48, 1_767_225_790_000, HOT_WALLET.base58, "hot")
    return RecordNotice(seen, None, ACTOR)


def wallet(role: Role, at: Address) -> RegisterWallet:
    return RegisterWallet(role, at.base58, f"kms:{role}", ACTOR)


def execute(ledger: Ledger, *commands: Command) -> int:
    """All in one batch, every one of them accepted; -> the last position."""
    outcomes = ledger.execute(commands)
    assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
    return max(outcome.position for outcome in outcomes if isinstance(outcome, Accepted))


def batches() -> list[Sequence[Command]]:
    """Two clients through everything that can happen to them; each batch is one append."""
    paid, expired, failed, cancelled = (order(ALICE, name, 2 * USDT, 100_000) for name in ("p1", "p2", "p3", "p4"))
    first, second = transfer("a", ALICE_ADDRESS, 10 * USDT), transfer("a", ALICE_ADDRESS, 5 * USDT, log_index=1)
    moved = transfer("b", BOB_ADDRESS, 7 * USDT)
    gone = transfer("c", BOB_ADDRESS, 3 * USDT, block=101)
    stray = transfer("d", HOT_WALLET, 40 * USDT, log_index=None, wallet="hot")
    return [
        [register(ALICE, "Alice Ltd", "https://alice.example/hook"), wallet("hot", HOT_WALLET)],
        [register(BOB, "Bob GmbH"), payin(ALICE, ALICE_ADDRESS, "one", "order 1")],
        [
            payin(BOB, BOB_ADDRESS, "one"),
            OpenLedgerAccount(ALICE, "end-user-7", "End user 7", "liability", ACTOR),
            ChangeAccount(BOB, ACTOR, name="Bob & Sons", webhook_url="https://bob.example/hook"),
        ],
        [detect(first), detect(second), detect(moved), detect(gone), detect(stray)],
        [detect(transfer("b", BOB_ADDRESS, 7 * USDT, branch="fork")), orphan(gone)],
        [
            confirm(first, ALICE, books.USER_LIABILITY),
            confirm(second, ALICE, books.USER_LIABILITY),
            confirm(stray),
            request_payout(paid),
        ],
        [*send(paid), confirm(moved, BOB, books.USER_LIABILITY), RotateWebhookSecret(ALICE, 1, ACTOR)],
        [confirm_payout(paid, burned_sun=345_000), request_payout(expired), request_payout(failed)],
        [
            request_payout(cancelled),
            WaitPayout(cancelled, ACTOR, reason="coins", since_ms=1_767_225_600_000),
            ExpeditePayout(cancelled, ACTOR, reason="the client called"),
            CancelPayout(cancelled, ACTOR),
            *send(expired),
            *send(failed),
        ],
        [expire(expired), *send(expired, 2)],
        [
            FailPayout(failed, ACTOR, failure_code="out_of_energy", txid=attempt(failed).txid, burned_sun=60),
            *send(failed, 2),
            FailPayout(failed, ACTOR, failure_code="reverted", txid=attempt(failed, 2).txid, burned_sun=40),
            DisablePayin(str(derived_id("payin", BOB, "one")), BOB, ACTOR),
        ],
        [fund(ALICE, 1000 * USDT, "opening"), detect(transfer("e", ALICE_ADDRESS, 1 * USDT, block=160))],
        [
            PostTransfer("t1", ALICE, books.USER_LIABILITY, ALICE, "end-user-7", 3 * USDT, ACTOR),
            ChangeAccount(BOB, ACTOR, accept_transfers=True),
            PostTransfer("t2", ALICE, "end-user-7", BOB, books.USER_LIABILITY, 1 * USDT, ACTOR),
        ],
        [ChangeAccount(BOB, ACTOR, status="suspended"), confirm_payout(expired, 2, burned_sun=1)],
        [detect(transfer("c", BOB_ADDRESS, 3 * USDT, block=170)), ChangeAccount(BOB, ACTOR, status="active")],
        [*(notice(kind) for kind in EVENTS), ResumeSigning(causes=get_args(Cause), reason="looked", actor=ACTOR)],
    ]


def append_history(ledger: Ledger) -> int:
    """Append the whole history; -> its last position."""
    return max(execute(ledger, *batch) for batch in batches())


def append_events(ledger: Ledger, upto: int) -> int:
    """The whole history, and openings of Alice's balance behind it up to this position, in one batch; -> the position."""
    head = append_history(ledger)
    assert head < upto, f"the canonical history has {head} events already"
    return execute(ledger, *(fund(ALICE, USDT, f"opening {number}") for number in range(head, upto)))
