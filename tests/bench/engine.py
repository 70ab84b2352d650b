"""Ledger.execute and the projectors, measured without HTTP."""

import gc
import random
import time
from uuid import uuid4

from core.accounts import RegisterAccount
from core.attempts import PayoutOrder
from core.journal import credit, debit, derived_id
from core.ledger import Accepted, Ledger
from core.payouts import RequestPayout
from core.treasury import PostAdjustment

ACCOUNTS = [str(derived_id("account", "bench", str(number))) for number in range(50)]
FUNDS = 10**15


def open_accounts(ledger: Ledger) -> None:
    """Fifty accounts with plenty of funds each."""
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
