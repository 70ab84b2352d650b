"""What the other ports promise, whatever stands behind them."""

from datetime import datetime, timedelta

import msgspec
import pytest

from core.ports.clients import AuditEntry
from core.ports.scanning import Cursor
from core.ports.wallets import ReadyAddress
from tests.contracts.conftest import Backend
from tests.contracts.tables import HASH, NOW, OTHER_HASH, api_key, at_once, identifier
from tests.support.history import ALICE, BOB, address


@pytest.mark.asks("dynamodb")
class TestApiKeys:
    def test_a_key_is_found_by_its_hash_alone(self, backend: Backend) -> None:
        """Every field comes back; another hash finds nothing; the same put again changes nothing."""
        keys = backend.api_keys
        keys.put(HASH, api_key("one"))
        keys.put(HASH, msgspec.structs.replace(api_key("one"), name="renamed"))
        assert keys.find(HASH) == api_key("one")
        assert keys.find(OTHER_HASH) is None

    def test_a_revoked_key_stays_and_is_revoked(self, backend: Backend) -> None:
        """Revoking is for the account that has the key, and twice is as once."""
        keys = backend.api_keys
        keys.put(HASH, api_key("one"))
        assert not keys.revoke(BOB, identifier("one"))
        assert not keys.revoke(ALICE, identifier("two"))
        assert not keys.revoke(ALICE, "no-such-form")
        assert keys.revoke(ALICE, identifier("one"))
        assert keys.revoke(ALICE, identifier("one"))
        found = keys.find(HASH)
        assert found is not None
        assert found.status == "revoked"

    def test_an_account_sees_its_own_keys_newest_first(self, backend: Backend) -> None:
        """Revoked ones included, others' not (I12)."""
        keys = backend.api_keys
        for number, name in enumerate(("old", "older", "oldest")):
            keys.put(f"{number:064x}", api_key(name, age_h=number))
        keys.put(HASH, api_key("bob's", BOB))
        keys.revoke(ALICE, identifier("older"))
        assert [(key.name, key.status) for key in keys.of_account(ALICE)] == [
            ("old", "active"),
            ("older", "revoked"),
            ("oldest", "active"),
        ]

    def test_the_last_use_only_moves_forward(self, backend: Backend) -> None:
        """A note that comes late does not set the time back."""
        keys = backend.api_keys
        keys.put(HASH, api_key("one"))
        for minutes in (5, 3):
            keys.used(HASH, NOW + timedelta(minutes=minutes))
        found = keys.find(HASH)
        assert found is not None
        assert found.last_used_at == NOW + timedelta(minutes=5)


FIELDS = {"amount": "h1", "to": "h2"}


@pytest.mark.asks("dynamodb")
class TestIdempotencyKeys:
    def begin(self, backend: Backend, now: datetime = NOW, **names: str) -> object:
        arguments = {"account_id": ALICE, "scope": "payouts", "key": "k", **names}
        return backend.idempotency_keys.begin(**arguments, field_hashes=FIELDS, now=now)

    def test_of_many_beginners_one_is_the_first(self, backend: Backend) -> None:
        """Eight requests with one key at the same moment: one works, seven are told that it runs."""
        results = at_once(8, lambda _: self.begin(backend))
        assert results.count(None) == 1
        assert {(item.status, item.response) for item in results if item is not None} == {("running", None)}  # type: ignore[attr-defined]

    def test_an_answer_is_kept(self, backend: Backend) -> None:
        """What was answered is answered again, with the hashes of the first body."""
        self.begin(backend)
        backend.idempotency_keys.complete(ALICE, "payouts", "k", b"\x00answer")
        known = self.begin(backend)
        assert known is not None
        assert (known.status, known.field_hashes, known.response) == ("done", FIELDS, b"\x00answer")  # type: ignore[attr-defined]

    def test_keys_are_per_account_and_scope(self, backend: Backend) -> None:
        """The same key of another account, or for another kind of request, is another key (I12)."""
        for names in ({}, {"account_id": BOB}, {"scope": "payins"}, {"key": "K"}):
            assert self.begin(backend, **names) is None

    def test_what_came_to_nothing_begins_anew(self, backend: Backend) -> None:
        """After `abandon` the next one is the first; an answer cannot be abandoned."""
        self.begin(backend)
        backend.idempotency_keys.abandon(ALICE, "payouts", "k")
        assert self.begin(backend) is None
        backend.idempotency_keys.complete(ALICE, "payouts", "k", b"answer")
        backend.idempotency_keys.abandon(ALICE, "payouts", "k")
        assert self.begin(backend) is not None

    def test_a_request_whose_process_died_is_taken_over_by_one(self, backend: Backend) -> None:
        """After a minute the same request may run again, once; another body may not."""
        self.begin(backend)
        later = NOW + timedelta(seconds=61)
        other = backend.idempotency_keys.begin(ALICE, "payouts", "k", {"amount": "h9"}, later)
        assert other is not None
        assert self.begin(backend, NOW + timedelta(seconds=59)) is not None
        assert at_once(4, lambda _: self.begin(backend, later)).count(None) == 1

    def test_a_key_is_free_again_after_a_day(self, backend: Backend) -> None:
        """Answers are kept for 24 hours."""
        self.begin(backend)
        backend.idempotency_keys.complete(ALICE, "payouts", "k", b"answer")
        assert self.begin(backend, NOW + timedelta(hours=23, minutes=59)) is not None
        assert self.begin(backend, NOW + timedelta(hours=24, seconds=1)) is None


@pytest.mark.asks("dynamodb")
class TestAuditLog:
    def test_entries_are_read_newest_first_and_by_account(self, backend: Backend) -> None:
        """Every field comes back; pages joined are the whole log; an account's pages hold its own entries only."""
        entries = [
            AuditEntry(
                account_id=ALICE if number % 2 else BOB,
                at=NOW + timedelta(seconds=number),
                action="payout.requested",
                actor_id=f"api-key:{number}",
                actor_type="api-key",
                data={"amount": "1.5", "nested": [number, None]},
                ip_address="192.0.2.7",
                request_id=f"r{number}",
            )
            for number in range(7)
        ]
        backend.audit.add(entries[:3])
        backend.audit.add(entries[3:])
        backend.audit.add([])
        seen: list[AuditEntry] = []
        after = None
        while page := backend.audit.page(None, after, 3):
            seen += [entry for _, entry in page]
            after = page[-1][0]
        assert seen == entries[::-1]
        assert [entry for _, entry in backend.audit.page(ALICE, None, 10)] == [
            e for e in entries[::-1] if e.account_id == ALICE
        ]

    def test_no_entry_takes_anothers_place(self, backend: Backend) -> None:
        """What happens within one microsecond is kept, all of it, and paged without a gap."""
        acts = [[AuditEntry(ALICE, NOW, f"act.{n}.{m}", "o", "operator", {}) for m in range(3)] for n in range(5)]
        at_once(5, lambda number: backend.audit.add(acts[number]))
        for account_id in (ALICE, None):
            seen, after = [], None
            while page := backend.audit.page(account_id, after, 4):
                seen += [entry.action for _, entry in page]
                after = page[-1][0]
            assert sorted(seen) == sorted(entry.action for entries in acts for entry in entries)
            assert all(seen.index(f"act.{n}.2") < seen.index(f"act.{n}.0") for n in range(5))

    def test_entries_of_many_days_are_one_log(self, backend: Backend) -> None:
        """Pages go on over days on which nothing was done."""
        days = [0, 1, 1, 5, 60]
        entries = [
            AuditEntry(BOB, NOW + timedelta(days=day), str(n), "o", "operator", {}) for n, day in enumerate(days)
        ]
        backend.audit.add(entries)
        seen, after = [], None
        while page := backend.audit.page(None, after, 2):
            seen += [entry.action for _, entry in page]
            after = page[-1][0]
        assert seen == ["4", "3", "2", "1", "0"]
        assert backend.audit.page("nobody", None, 10) == []


def ready(number: int) -> ReadyAddress:
    made = address(f"pool {number}")
    return ReadyAddress(base58=made.base58, hex=made.hex(), key_id=f"payin/{number}")


class TestAddressPool:
    def test_an_address_is_given_once(self, backend: Backend) -> None:
        """Many takers at once get different addresses, and None when the pool is empty."""
        made = [ready(number) for number in range(6)]
        backend.pool.add(made)
        backend.pool.add(made)
        assert backend.pool.ready() == 6
        taken = at_once(8, lambda _: backend.pool.take())
        assert sorted(item.base58 for item in taken if item is not None) == sorted(item.base58 for item in made)
        assert taken.count(None) == 2
        assert all(item in made for item in taken if item is not None)
        assert backend.pool.ready() == 0
        backend.pool.add(made)
        assert backend.pool.take() is None

    def test_every_address_that_was_ever_made_is_ours(self, backend: Backend) -> None:
        """Ready or taken, payin or system wallet: known by its 20 bytes from the moment it is added (I6)."""
        backend.pool.add([ready(1), ready(2)])
        backend.pool.take()
        hot = address("hot")
        backend.pool.add_wallet("hot", hot.base58, None)
        asked = [address("pool 1").evm, address("pool 2").evm, hot.evm, address("somebody").evm]
        assert dict(backend.pool.ours(asked)) == dict(zip(asked, ("payin", "payin", "hot"), strict=False))
        assert dict(backend.pool.ours([])) == {}
        assert backend.pool.ready() == 1

    def test_the_next_index_is_behind_the_highest(self, backend: Backend) -> None:
        """Numbers count as numbers, per prefix, taken ones included."""
        assert backend.pool.highest_index("payin/") == -1
        backend.pool.add([ready(9), ready(10)])
        backend.pool.take()
        assert backend.pool.highest_index("payin/") == 10
        assert backend.pool.highest_index("other/") == -1

    def test_what_is_kept_is_ours_and_given_to_nobody(self, backend: Backend) -> None:
        """Nor later, when it is made once more; and it counts as an index that is used."""
        backend.pool.keep([ready(7), ready(8)])
        backend.pool.add([ready(7)])
        assert (backend.pool.ready(), backend.pool.take()) == (0, None)
        assert backend.pool.highest_index("payin/") == 8
        assert dict(backend.pool.ours([address("pool 8").evm])) == {address("pool 8").evm: "payin"}


class TestAddressDoor:
    def test_nothing_is_given_out_behind_a_shut_door(self, backend: Backend) -> None:
        """Shut, opened, and opened again: each is as its last word."""
        backend.pool.add([ready(1), ready(2)])
        backend.door.shut()
        assert (backend.pool.take(), backend.door.is_open()) == (None, False)
        backend.door.open()
        backend.door.open()
        assert backend.door.is_open()
        assert backend.pool.take() is not None
        backend.door.shut()
        assert (backend.pool.take(), backend.pool.ready()) == (None, 1)

    def test_what_is_given_up_is_ours_and_nobodys(self, backend: Backend) -> None:
        """The door is shut with it, also for what is made later, and neither position nor index ever falls."""
        backend.pool.add([ready(1), ready(2)])
        assert (backend.door.given_up_to(), backend.door.first_index()) == (0, 0)
        backend.door.give_up(17, 10_202)
        backend.pool.add([ready(1), ready(3)])
        assert backend.pool.take() is None
        backend.door.give_up(16, 9)
        assert (backend.door.given_up_to(), backend.door.first_index()) == (17, 10_202)
        backend.pool.add([ready(4)])
        backend.door.open()
        assert backend.pool.take() == ready(4)
        assert backend.pool.take() is None
        assert dict(backend.pool.ours([address("pool 1").evm])) == {address("pool 1").evm: "payin"}


class TestCursorsAndBookmarks:
    def test_a_cursor_comes_back_whole(self, backend: Backend) -> None:
        """Height, id and what is remembered of blocks that are not solid, per scanner."""
        assert backend.cursors.load("scanner") is None
        backend.cursors.save("scanner", Cursor(5, "05" * 32, b"\x00\xff"))
        backend.cursors.save("scanner", Cursor(6, "06" * 32))
        assert backend.cursors.load("scanner") == Cursor(6, "06" * 32, b"")
        assert backend.cursors.load("another") is None

    def test_a_bookmark_never_goes_back(self, backend: Backend) -> None:
        """A step that lags behind another of its kind cannot undo its progress (I9)."""
        assert backend.bookmarks.load("relay") == 0
        for position in (5, 3, 7, 7):
            backend.bookmarks.save("relay", position)
        assert backend.bookmarks.load("relay") == 7
        assert backend.bookmarks.load("webhooks") == 0
