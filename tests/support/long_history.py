"""A history as long as you like, loaded by the database's owner: what a busy gateway's months look like to a projector.

Events are those the ledger would have decided, in streams, with entries that balance (I1), sealed and chained (I3), the
guard as they leave it (I5). One cycle: 2 new deposit addresses, 5 deposits, 2 payouts, 1 transfer; 25 events, 41 lines.
"""

import hashlib
import random
from collections import Counter, deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import Final
from uuid import UUID, uuid5

import psycopg

from core.ledger import books
from core.ledger.books import CLIENT_CHART
from core.ledger.events import Event, encode
from core.ledger.guard import GuardKey, guard_deltas
from core.ledger.journal import TREASURY, credit, debit, derived_id, entry, ledger_account_id
from core.ledger.seals import GENESIS, Sealed, seal_hash
from core.streams.accounts import AccountRegistered, LedgerAccountOpened, account_stream, ledger_account_stream
from core.streams.addresses import AddressAssigned, PayinRequested, address_stream, payin_stream
from core.streams.attempts import Attempt
from core.streams.deposits import DepositConfirmed, DepositDetected, TransferFact
from core.streams.payouts import (
    PayoutBroadcast,
    PayoutConfirmed,
    PayoutOrder,
    PayoutPrepared,
    PayoutRequested,
    PayoutSigned,
    payout_stream,
)
from core.streams.transfers import InternalTransferPosted
from core.streams.treasury import AdjustmentPosted, SystemWalletRegistered, wallet_stream
from gateways.postgres.roles import WRITER
from tests.support.history import PAYEE, PAYER, address

SEAL_EVENTS: Final = 100
IN_FLIGHT: Final = 200
"""So many later steps wait at any time: what a deposit's or payout's next event comes after."""
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_NAMESPACE: Final = UUID("5d1c1d0e-7d1c-4b52-9d1c-0d1c1d0e7d1c")
_API: Final = "api-key:0198c1f2"
_RECORD, _SIGN = "system:record", "system:payouts"

Happened = tuple[str, Event]
"""(stream, event)"""


class _World:
    """Fifty funded clients; every call of `cycle` is the next 25 events' beginnings."""

    def __init__(self, seed: int, accounts: int) -> None:
        self._random = random.Random(seed)
        self.accounts = [str(derived_id("account", "long", str(number))) for number in range(accounts)]
        self._numbers = count(1)
        self._later: deque[list[Happened]] = deque()
        self.now = _START
        self._addresses: list[tuple[str, str]] = []

    def _txid(self, number: int) -> str:
        return uuid5(_NAMESPACE, f"a{number}").hex + uuid5(_NAMESPACE, f"b{number}").hex

    def _at(self, actor: str) -> dict[str, object]:
        self.now += timedelta(milliseconds=5)
        return {"occurred_at": self.now, "actor": actor}

    def opening(self) -> Iterator[Happened]:
        """Accounts, their charts, plenty of funds, the hot wallet."""
        hot = address("hot wallet").base58
        yield (
            wallet_stream("hot"),
            SystemWalletRegistered(**self._at(_SIGN), role="hot", address=hot, key_id="keystore:hot"),  # type: ignore[arg-type]
        )
        for number, account in enumerate(self.accounts):
            yield (
                account_stream(account),
                AccountRegistered(  # type: ignore[arg-type]
                    **self._at("operator:long"), account_id=account, name=f"Company {number}", webhook_url=None
                ),
            )
            for code, (kind, name) in CLIENT_CHART.items():
                opened = LedgerAccountOpened(  # type: ignore[arg-type]
                    **self._at("operator:long"),
                    account_id=account,
                    ledger_account_id=str(ledger_account_id(account, code)),
                    code=code,
                    name=name,
                    type=kind,
                )
                yield ledger_account_stream(account, code), opened
            adjustment = str(derived_id("adjustment", account, "opening"))
            lines = (
                debit(account, books.CLIENT_ASSET, 10**13, "USDT"),
                credit(account, books.USER_LIABILITY, 10**13, "USDT"),
                debit(TREASURY, books.HOT_WALLET, 10**13, "USDT"),
                credit(TREASURY, books.CUSTODY_CONTROL, 10**13, "USDT"),
            )
            yield (
                f"adjustment-{adjustment}",
                AdjustmentPosted(  # type: ignore[arg-type]
                    **self._at("operator:long"), adjustment_id=adjustment, reason="opening balance", postings=lines
                ),
            )
        for account in self.accounts:
            yield from self._payin(account)

    def days(self) -> Iterator[Happened]:
        """What happens then, without end."""
        while True:
            begun = [*self._payin(self._client()), *self._payin(self._client())]
            for _ in range(5):
                begun += self._deposit()
            for _ in range(2):
                begun += self._payout()
            begun += self._transfer()
            yield from begun
            while len(self._later) > IN_FLIGHT:
                yield from self._later.popleft()

    def _client(self) -> str:
        return self._random.choice(self.accounts)

    def _payin(self, account: str) -> Iterator[Happened]:
        number = next(self._numbers)
        at, payin_id = address(f"long {number}"), str(derived_id("payin", account, str(number)))
        self._addresses.append((account, at.base58))
        yield (
            payin_stream(payin_id),
            PayinRequested(  # type: ignore[arg-type]
                **self._at(_API),
                payin_id=payin_id,
                account_id=account,
                address=at.base58,
                ledger_account=books.USER_LIABILITY,
                client_reference=f"customer {number}",
            ),
        )
        yield (
            address_stream(at.base58),
            AddressAssigned(  # type: ignore[arg-type]
                **self._at(_API),
                address=at.base58,
                address_hex=at.hex(),
                account_id=account,
                ledger_account=books.USER_LIABILITY,
                payin_id=payin_id,
                key_id=f"m/44'/195'/0'/0/{number}",
            ),
        )

    def _deposit(self) -> Iterator[Happened]:
        number, (account, to) = next(self._numbers), self._random.choice(self._addresses)
        fact = TransferFact(
            txid=self._txid(number),
            log_index=0,
            from_address=PAYER.base58,
            to_address=to,
            amount_minor=self._random.randrange(1_000_000, 900_000_000),
            currency="USDT",
            wallet="payin",
            block_number=70_000_000 + number // 100,
            block_id=f"{70_000_000 + number // 100:016x}" + self._txid(number // 100)[16:],
            block_timestamp_ms=1_767_225_600_000 + 30 * number,
        )
        stream = fact.stream
        said = {"account_id": account, "ledger_account": books.USER_LIABILITY, "transfer": fact}
        yield stream, DepositDetected(**self._at(_RECORD), **said)  # type: ignore[arg-type]
        lines = books.deposit_confirmed(account, books.USER_LIABILITY, fact.amount_minor)
        self._later.append([(stream, DepositConfirmed(**self._at(_RECORD), **said, postings=lines))])  # type: ignore[arg-type]

    def _payout(self) -> Iterator[Happened]:
        number, account = next(self._numbers), self._client()
        order = PayoutOrder(
            payout_id=str(derived_id("payout", account, str(number))),
            account_id=account,
            ledger_account=books.USER_LIABILITY,
            to_address=PAYEE.base58,
            amount_minor=self._random.randrange(1_000_000, 500_000_000),
            fee_minor=500_000,
            currency="USDT",
            client_reference=f"withdrawal {number}",
        )
        stream = payout_stream(order.payout_id)
        reserve = books.payout_requested(account, order.ledger_account, order.total_minor)
        yield stream, PayoutRequested(**self._at(_API), order=order, postings=reserve)  # type: ignore[arg-type]
        raw_data = self._txid(number) * 6
        tried = Attempt(
            number=1,
            txid=hashlib.sha256(bytes.fromhex(raw_data)).hexdigest(),
            raw_data=raw_data,
            expiration_ms=1_767_225_660_000 + 30 * number,
            ref_block_number=70_000_000 + number // 100,
            ref_block_id=f"{70_000_000 + number // 100:016x}" + self._txid(number // 100)[16:],
            timestamp_ms=1_767_225_600_000 + 30 * number,
            fee_limit_sun=100_000_000,
            from_address=address("hot wallet").base58,
        )
        ids = {"payout_id": order.payout_id, "account_id": account}
        self._later.append(
            [
                (stream, PayoutPrepared(**self._at(_SIGN), **ids, attempt=tried)),  # type: ignore[arg-type]
                (stream, PayoutSigned(**self._at(_SIGN), **ids, txid=tried.txid, signature=tried.txid * 2 + "1b")),  # type: ignore[arg-type]
                (stream, PayoutBroadcast(**self._at(_SIGN), **ids, txid=tried.txid)),  # type: ignore[arg-type]
            ]
        )
        burned = 345_000
        confirmed = PayoutConfirmed(  # type: ignore[arg-type]
            **self._at(_SIGN),
            **ids,
            txid=tried.txid,
            block_number=tried.ref_block_number + 20,
            block_timestamp_ms=tried.timestamp_ms + 60_000,
            burned_sun=burned,
            postings=books.payout_confirmed(account, order.amount_minor, order.fee_minor, burned),
        )
        self._later.append([(stream, confirmed)])

    def _transfer(self) -> Iterator[Happened]:
        number, payer, payee = next(self._numbers), self._client(), self._client()
        transfer_id = str(derived_id("transfer", payer, str(number)))
        amount = self._random.randrange(1_000, 1_000_000)
        if payer == payee:
            lines = entry(
                debit(payer, books.USER_LIABILITY, amount, "USDT"), credit(payer, books.CLEARING, amount, "USDT")
            )
        else:
            lines = books.internal_transfer(payer, books.USER_LIABILITY, payee, books.USER_LIABILITY, amount)
        yield (
            f"transfer-{transfer_id}",
            InternalTransferPosted(  # type: ignore[arg-type]
                **self._at(_API),
                transfer_id=transfer_id,
                account_id=payer,
                from_ledger_account=books.USER_LIABILITY,
                to_account_id=payee,
                to_ledger_account=books.USER_LIABILITY if payer != payee else books.CLEARING,
                amount_minor=amount,
                currency="USDT",
                postings=lines,
            ),
        )


def happenings(events: int, *, seed: int = 1, accounts: int = 50) -> Iterator[Happened]:
    """The first `events` of the history that `seed` names."""
    world = _World(seed, accounts)

    def everything() -> Iterator[Happened]:
        yield from world.opening()
        yield from world.days()

    return islice(everything(), events)


def load(owner_url: str, events: int, *, seed: int = 1, accounts: int = 50) -> None:
    """Fill an empty event store: events, seals, guard. As the role that loads histories, which no process logs in as."""
    versions: Counter[str] = Counter()
    guard: dict[GuardKey, int] = {}
    seals: list[tuple[UUID, int, int, bytes, bytes]] = []
    batch: list[Sealed] = []
    previous = GENESIS
    with psycopg.connect(owner_url) as conn, conn.cursor() as cursor:
        cursor.execute(f"SET ROLE {WRITER}")
        columns = "notification_id, originator_id, originator_version, topic, state"
        with cursor.copy(f"COPY events ({columns}) FROM STDIN") as copy:
            for position, (stream, happened) in enumerate(happenings(events, seed=seed, accounts=accounts), start=1):
                versions[stream] += 1
                topic, state = encode(happened)
                copy.write_row((position, stream, versions[stream], topic, state.decode()))
                batch.append((position, stream, versions[stream], topic, state))
                for change in guard_deltas(happened):
                    if change.opens:
                        guard[change.key] = 0
                    elif change.key in guard:
                        guard[change.key] += change.delta_minor
                if len(batch) == SEAL_EVENTS or position == events:
                    own = seal_hash(previous, batch)
                    seals.append((uuid5(_NAMESPACE, f"seal {position}"), batch[0][0], position, previous, own))
                    previous, batch = own, []
        with cursor.copy(
            "COPY seals (batch_id, first_position, last_position, previous_hash, hash) FROM STDIN"
        ) as copy:
            for seal in seals:
                copy.write_row(seal)
        for key, balance in guard.items():
            cursor.execute("INSERT INTO guard VALUES (%s, %s, %s)", (key.ledger_account_id, key.currency, balance))
    with psycopg.connect(owner_url, autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE events, seals, guard")
