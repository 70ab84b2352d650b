"""What clients wish, and what the operator does to them: accounts, addresses, payouts, transfers, suspensions."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal

from core.ledger import books
from core.ledger.journal import derived_id
from core.ledger.ledger import Accepted, Refused, Repeated
from core.ledger.refusals import IdempotencyKeyReused, StreamStopped
from core.streams.accounts import ChangeAccount, RegisterAccount
from core.streams.addresses import RequestPayin
from core.streams.payout.ends import CancelPayout
from core.streams.payout.turns import ExpeditePayout
from core.streams.payouts import PayoutOrder, RequestPayout
from core.streams.transfers import PostTransfer
from core.tron.address import Address
from gateways.devnet.chain.genesis import USDT
from tests.simulation.broken import Broken
from tests.simulation.customers import COINS, PAYEES
from tests.simulation.system import System
from tests.support.memory import Crash

ACTOR: Final = "api-key:simulation"
LANES: Final = 50
STATUSES: Final[Sequence[Literal["active", "suspended"]]] = ("suspended", "suspended", "active")


class Clients:
    """The part of a world that asks through the API."""

    seed: int
    system: System
    accounts: list[str]
    orders: dict[tuple[str, str], PayoutOrder]
    deposit_addresses: list[Address]

    def do_register(self, draw: random.Random) -> None:
        account_id = str(derived_id("account", str(self.seed), str(len(self.accounts))))
        if isinstance(self.system.act(RegisterAccount(account_id, "Client", None, ACTOR)), Accepted):
            self.accounts.append(account_id)

    def do_suspend(self, draw: random.Random) -> None:
        """The operator suspends a client, who has just asked for something or not, or lets it act again."""
        if draw.random() < 0.7:
            self.do_payout(draw)
        self.system.act(ChangeAccount(draw.choice(self.accounts), ACTOR, status=draw.choice(STATUSES)))

    def do_payin(self, draw: random.Random) -> None:
        if not self.accounts:
            return
        try:
            ready = self.system.pool.take()
        except Crash:
            return
        if ready is None:
            return
        account_id = self.accounts[draw.randrange(len(self.accounts))]
        payin_id = str(derived_id("payin", account_id, ready.base58))
        wish = (payin_id, account_id, ready.base58, ready.hex, ready.key_id, books.USER_LIABILITY, None, ACTOR)
        self.system.act(RequestPayin(*wish))
        self.system.given.append(ready.base58)
        self.deposit_addresses.append(Address.from_base58(ready.base58))

    def do_payout(self, draw: random.Random) -> None:
        """A wish, sometimes one that was made before, sometimes with the key of another one."""
        account_id = draw.choice(self.accounts)
        key = str(draw.randint(0, 30))
        fresh = PayoutOrder(
            payout_id=str(derived_id("payout", account_id, key)),
            account_id=account_id,
            ledger_account=books.USER_LIABILITY,
            to_address=draw.choice((*PAYEES, *PAYEES, *self.deposit_addresses, self.system.hot, USDT)).base58,
            amount_minor=draw.choice((5 * COINS, draw.randint(1, 80 * COINS))),
            fee_minor=draw.choice((0, COINS // 2)),
            currency="USDT",
            client_reference=None,
            priority="high" if int(key) % 3 == 0 else "normal",
            not_before=self.system.now() + timedelta(seconds=10 * int(key)) if int(key) % 7 == 0 else None,
        )
        known = self.orders.setdefault((account_id, key), fresh)
        is_known = known is fresh or self.system.store.histories([known.stream])
        order = fresh if draw.random() < 0.2 and is_known else known
        outcome = self.system.act(RequestPayout(order, minimum_minor=1, actor=ACTOR))
        same = (order.to_address, order.amount_minor) == (known.to_address, known.amount_minor)
        if outcome is None or same or (isinstance(outcome, Refused) and isinstance(outcome.refusal, StreamStopped)):
            return
        if not (isinstance(outcome, Refused) and isinstance(outcome.refusal, IdempotencyKeyReused)):
            stream = self.system.store.histories([f"payout-{order.payout_id}"])
            first = next(iter(stream.values()))[0].event.order  # type: ignore[attr-defined]
            if (first.to_address, first.amount_minor) != (order.to_address, order.amount_minor):
                raise Broken("idempotency", f"payout {order.payout_id} was wished twice, differently: {outcome}")

    def do_cancel(self, draw: random.Random) -> None:
        if self.orders:
            order = self.orders[draw.choice(sorted(self.orders))]
            self.system.act(CancelPayout(order, ACTOR))
            urgent = self.orders[draw.choice(sorted(self.orders))]
            self.system.act(ExpeditePayout(urgent, "operator:simulation", reason="they asked"))

    def do_crowd(self, _: random.Random) -> None:
        """Fifty more clients, each with something of another's, ask for a payout each: fifty lanes (I20)."""
        system, source = self.system, self.accounts[0]
        for number in range(LANES):
            account_id = str(derived_id("account", str(self.seed), f"crowd {number}"))
            system.act(RegisterAccount(account_id, "One of many", None, ACTOR))
            system.act(ChangeAccount(account_id, ACTOR, accept_transfers=True))
            transfer_id = str(derived_id("transfer", source, f"crowd {number}"))
            codes = (books.USER_LIABILITY, account_id, books.USER_LIABILITY)
            system.act(PostTransfer(transfer_id, source, *codes, COINS, ACTOR))
            order = PayoutOrder(
                payout_id=str(derived_id("payout", account_id, "crowd")),
                account_id=account_id,
                ledger_account=books.USER_LIABILITY,
                to_address=PAYEES[number % len(PAYEES)].base58,
                amount_minor=COINS - number,
                fee_minor=0,
                currency="USDT",
                client_reference=None,
            )
            system.act(RequestPayout(order, minimum_minor=1, actor=ACTOR))

    def do_transfer(self, draw: random.Random) -> None:
        source, target = draw.choice(self.accounts), draw.choice(self.accounts)
        transfer_id = str(derived_id("transfer", source, str(draw.randint(0, 10))))
        codes = (books.USER_LIABILITY, target, books.USER_LIABILITY)
        self.system.act(ChangeAccount(target, ACTOR, accept_transfers=draw.random() < 0.9))
        outcome = self.system.act(PostTransfer(transfer_id, source, *codes, draw.randint(1, 50 * COINS), ACTOR))
        assert outcome is None or isinstance(outcome, Accepted | Repeated | Refused), outcome
