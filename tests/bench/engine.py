"""Ledger.execute and the projectors, measured without HTTP."""

import asyncio
import gc
import random
import time
from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

import uvloop

from core.ledger.journal import credit, debit, derived_id
from core.ledger.ledger import Accepted, Ledger
from core.streams.accounts import OpenLedgerAccount, RegisterAccount
from core.streams.payouts import PayoutOrder, RequestPayout
from core.streams.treasury import PostAdjustment
from gateways.http.group_commit import GroupCommit

ACCOUNTS = [str(derived_id("account", "bench", str(number))) for number in range(50)]
FUNDS = 10**15
RESERVE = "Reserve"


def open_accounts(ledger: Ledger) -> None:
    """Fifty accounts with plenty of funds each; the first has a ledger account more, to transfer to."""
    ledger.execute(
        [RegisterAccount(account, f"bench {n}", None, "operator:bench") for n, account in enumerate(ACCOUNTS)]
    )
    ledger.execute(
        [
            PostAdjustment(
                account,
                "bench funds",
                (
                    debit(account, "System_Hot_Wallet_Asset", FUNDS, "USDT"),
                    credit(account, "User_Liability", FUNDS, "USDT"),
                    debit("treasury", "Payin_Wallets_Asset", FUNDS, "USDT"),
                    credit("treasury", "Custody_Control", FUNDS, "USDT"),
                ),
                "operator:bench",
            )
            for account in ACCOUNTS
        ]
    )
    ledger.execute([OpenLedgerAccount(ACCOUNTS[0], RESERVE, "Reserve", "liability", "operator:bench")])


def payout(account: str) -> RequestPayout:
    """A request with its two-leg entry: dedupe, account status, guard check, guard update, event, seal."""
    order = PayoutOrder(
        payout_id=str(uuid4()),
        account_id=account,
        ledger_account="User_Liability",
        to_address="TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7",
        amount_minor=1_000,
        fee_minor=0,
        currency="USDT",
        client_reference=None,
    )
    return RequestPayout(order, 1, "api-key:bench")


def entries_per_second(ledger: Ledger, batch: int, *, seconds: float = 4) -> float:
    """Durable two-leg entries per second at one batch size, one caller."""
    batches = [[payout(random.choice(ACCOUNTS)) for _ in range(batch)] for _ in range(max(1, 20_000 // batch))]
    gc.collect()
    gc.freeze()
    start, done = time.perf_counter(), 0
    for commands in batches:
        outcomes = ledger.execute(commands)
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        done += batch
        if time.perf_counter() - start > seconds:
            break
    rate = done / (time.perf_counter() - start)
    gc.unfreeze()
    return rate


class Concurrent(NamedTuple):
    """Durable entries per second over all callers, and how long a caller waited for its own."""

    rate: float
    p50_ms: float
    p99_ms: float


def concurrent(ledger: Ledger, callers: int, accounts: Sequence[str], *, seconds: float = 5) -> Concurrent:
    """Callers that each wait for their commit before the next wish, through group commit, as HTTP requests do."""
    waits: list[float] = []

    async def call(commit: GroupCommit, until: float) -> None:
        while (start := time.perf_counter()) < until:
            outcome = await commit.submit(payout(random.choice(accounts)))
            assert isinstance(outcome, Accepted)
            waits.append(time.perf_counter() - start)

    async def run() -> float:
        commit = GroupCommit(ledger)
        commit.start()
        start = time.perf_counter()
        await asyncio.gather(*(call(commit, start + seconds) for _ in range(callers)))
        took = time.perf_counter() - start
        await commit.close()
        return len(waits) / took

    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rate = runner.run(run())
    gc.unfreeze()
    waits.sort()
    return Concurrent(rate, waits[len(waits) // 2] * 1000, waits[len(waits) * 99 // 100] * 1000)
