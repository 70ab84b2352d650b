"""A story that cannot be is named by its position, however well its hashes fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.schema.forging import (
    ACCOUNTS,
    CUSTODY,
    DEPOSITS,
    ENTRIES,
    HASHES,
    INSTRUCTIONS,
    LIABILITIES,
    ORDER,
    OTHERS,
    PAYOUTS,
    SEALS,
    STREAMS,
    SWEEPS,
    Lines,
    Story,
    again,
    forge,
    move,
    nth,
)
from tests.support.checkpoints import Desk
from tests.support.exports import HEAD, verdict
from tests.support.history import BOB


def refusal(transfer: dict[str, Any]) -> dict[str, Any]:
    """What looks like a refusal and has a transfer's lines."""
    state = {name: transfer["state"][name] for name in ("occurred_at", "actor", "account_id", "postings")}
    return {
        "stream": "refusal-1",
        "version": 1,
        "topic": "command.refused/1",
        "state": {**state, "code": "account_suspended"},
    }


STORIES: dict[str, tuple[Story, str]] = {
    "a deposit credited twice": (lambda events, the: again(events, the("deposit.confirmed/1")), DEPOSITS),
    "a transfer under two names": (
        lambda events, the: events.append({**the("deposit.confirmed/1"), "stream": "deposit-again-0", "version": 1}),
        DEPOSITS,
    ),
    "a deposit of another amount": (
        lambda events, the: the("deposit.confirmed/1")["state"]["transfer"].__setitem__("amount_minor", 1),
        DEPOSITS,
    ),
    "a deposit to somebody else": (
        lambda events, the: the("address.assigned/1")["state"].__setitem__("account_id", BOB),
        DEPOSITS,
    ),
    "an address given twice": (lambda events, the: again(events, the("address.assigned/1")), OTHERS),
    "a payout confirmed twice": (lambda events, the: again(events, the("payout.confirmed/1")), PAYOUTS),
    "a payout that waits for the same again": (lambda events, the: again(events, the("payout.waiting/1")), PAYOUTS),
    "a payout put first twice": (lambda events, the: again(events, the("payout.expedited/1")), PAYOUTS),
    "a payout that waits while its bytes may be mined": (
        lambda events, the: events.insert(
            events.index(the("payout.broadcast/1")) + 1,
            the("payout.waiting/1") | {"stream": the("payout.broadcast/1")["stream"]},
        ),
        PAYOUTS,
    ),
    "a payout confirmed by bytes nobody prepared": (
        lambda events, the: the("payout.confirmed/1")["state"].__setitem__("txid", "00" * 32),
        PAYOUTS,
    ),
    "a payout of another amount": (
        lambda events, the: the("payout.requested/2")["state"]["order"].__setitem__("amount_minor", 5),
        PAYOUTS,
    ),
    "bytes that are not those of the transaction id": (
        lambda events, the: the("payout.prepared/1")["state"]["attempt"].__setitem__("raw_data", "00"),
        PAYOUTS,
    ),
    "an attempt beside one that lives": (
        lambda events, the: events.remove(the("payout.expired/2")),
        PAYOUTS,
    ),
    "a proof of death that is too short": (
        lambda events, the: the("payout.expired/2")["state"]["proof"].__setitem__("last_timestamp_ms", 5),
        PAYOUTS,
    ),
    "a proof of death with a gap": (
        lambda events, the: the("payout.expired/2")["state"]["proof"].__setitem__("blocks", 49),
        PAYOUTS,
    ),
    "a payout signed before it was prepared": (lambda events, the: events.remove(the("payout.prepared/1")), PAYOUTS),
    "a refund that is larger": (
        lambda events, the: [line.__setitem__("amount_minor", 9) for line in the("payout.failed/1")["state"]["postings"][:2]],
        PAYOUTS,
    ),
    "a cancelled payout that gives back nothing": (
        lambda events, the: the("payout.cancelled/1")["state"].__setitem__("postings", []),
        PAYOUTS,
    ),
    "an unbalanced entry": (
        lambda events, the: the("adjustment.posted/1")["state"]["postings"][0].__setitem__("amount_minor", 7),
        ENTRIES,
    ),
    "a negative amount": (
        lambda events, the: the("adjustment.posted/1")["state"]["postings"][0].__setitem__("amount_minor", -7),
        ENTRIES,
    ),
    "a fraction of a unit": (
        lambda events, the: the("adjustment.posted/1")["state"]["postings"][0].__setitem__("amount_minor", 1.5),
        ENTRIES,
    ),
    "claims that nobody holds coins for": (
        lambda events, the: the("adjustment.posted/1")["state"]["postings"].__delitem__(slice(2, None)),
        CUSTODY,
    ),
    "a ledger account that was never opened": (
        lambda events, the: the("adjustment.posted/1")["state"]["postings"][1].__setitem__("account", "Nowhere"),
        ACCOUNTS,
    ),
    "a client in the red": (
        lambda events, the: [
            line.__setitem__("side", "credit" if line["side"] == "debit" else "debit")
            for line in the("adjustment.posted/1")["state"]["postings"]
        ],
        LIABILITIES,
    ),
    "a transfer of another amount": (
        lambda events, the: the("transfer.posted/1")["state"].__setitem__("amount_minor", 5),
        OTHERS,
    ),
    "a refused command that moves money": (lambda events, the: events.append(refusal(the("transfer.posted/1"))), OTHERS),
    "a stream with a hole": (lambda events, the: the("payout.broadcast/1").__setitem__("version", 9), STREAMS),
}  # fmt: skip


@pytest.mark.parametrize("kind", STORIES)
def test_a_story_that_cannot_be_is_named(desk: Desk, lines: Lines, tmp_path: Path, kind: str) -> None:
    """A history that is sealed and hashed as it should be, but tells what must not happen, is found by what it tells."""
    tell, check = STORIES[kind]

    def change(events: list[dict[str, Any]]) -> None:
        tell(events, lambda topic: next(it for it in events if it["topic"] == topic))

    found = verdict(forge(lines, change), tmp_path, desk, archive=False)
    assert found.exit_code == 1
    assert check in found.wrong, found
    assert {ORDER, HASHES, SEALS} & set(found.wrong) == set()
    assert all(1 <= position <= HEAD + 1 for position, _ in found.wrong[check])


TREASURY_STORIES: dict[str, tuple[Callable[[list[dict[str, Any]]], object], str]] = {
    "an instruction that no sweep announced": (
        lambda events: events.remove(nth(events, "sweep.fuelling/1")),
        INSTRUCTIONS,
    ),
    "an instruction of a sweep that nobody planned": (
        lambda events: nth(events, "instruction.given/1")["state"]["instruction"].__setitem__("serves", "sweep-none"),
        SWEEPS,
    ),
    "a sweep to somebody else": (
        lambda events: nth(events, "instruction.given/1", 2)["state"]["instruction"]["act"].__setitem__("to", "TX"),
        INSTRUCTIONS,
    ),
    "a loan that goes elsewhere": (
        lambda events: nth(events, "instruction.given/1", 1)["state"]["instruction"]["act"].__setitem__("receiver", "TX"),
        INSTRUCTIONS,
    ),
    "stake taken back from another address": (
        lambda events: nth(events, "instruction.given/1", 3)["state"]["instruction"]["act"].__setitem__("receiver", "TX"),
        INSTRUCTIONS,
    ),
    "bytes that are not those of their id": (
        lambda events: nth(events, "instruction.prepared/1")["state"]["attempt"].__setitem__("raw_data", "00"),
        INSTRUCTIONS,
    ),
    "an attempt beside one that lives": (lambda events: events.remove(nth(events, "instruction.expired/1")), INSTRUCTIONS),
    "a proof of death with a gap": (
        lambda events: nth(events, "instruction.expired/1")["state"]["proof"].__setitem__("blocks", 49),
        INSTRUCTIONS,
    ),
    "signed before it was prepared": (
        lambda events: move(events, nth(events, "instruction.signed/1"), nth(events, "instruction.prepared/1")),
        INSTRUCTIONS,
    ),
    "confirmed twice": (lambda events: again(events, nth(events, "instruction.confirmed/1")), INSTRUCTIONS),
    "confirmed by bytes nobody prepared": (
        lambda events: nth(events, "instruction.confirmed/1")["state"].__setitem__("txid", "00" * 32),
        INSTRUCTIONS,
    ),
    "more burned than was booked": (
        lambda events: nth(events, "instruction.confirmed/1")["state"].__setitem__("burned_sun", 5),
        INSTRUCTIONS,
    ),
    "a failure that moves coins": (
        lambda events: nth(events, "instruction.failed/1")["state"].__setitem__(
            "postings", nth(events, "instruction.confirmed/1")["state"]["postings"]
        ),
        INSTRUCTIONS,
    ),
    "given up is another": (
        lambda events: nth(events, "instruction.withdrawn/1")["state"]["instruction"].__setitem__("owner", "TX"),
        INSTRUCTIONS,
    ),
    "stake that returns larger": (
        lambda events: nth(events, "instruction.confirmed/1", 6)["state"].__setitem__("returned_sun", 10**12),
        INSTRUCTIONS,
    ),
    "own coins booked as somebody's": (
        lambda events: [
            line.__setitem__("account", "Suspense")
            for line in nth(events, "deposit.confirmed/1", -2)["state"]["postings"] if line["side"] == "credit"
        ],
        DEPOSITS,
    ),
    "a sweep to a wallet that nobody registered": (
        lambda events: nth(events, "sweep.planned/1")["state"]["sweep"].__setitem__("to", "TX"),
        SWEEPS,
    ),
    "two sweeps of an address at once": (lambda events: events.remove(nth(events, "sweep.released/1")), SWEEPS),
    "a sweep of an address that is set aside": (lambda events: events.remove(nth(events, "address.released/1")), SWEEPS),
    "a sweep that begins with its third": (
        lambda events: nth(events, "sweep.planned/1", 2)["state"]["sweep"].__setitem__("number", 7),
        SWEEPS,
    ),
    "the next step while the last is under way": (
        lambda events: move(events, nth(events, "sweep.fuelling/1", 1), nth(events, "instruction.confirmed/1")),
        SWEEPS,
    ),
    "a sweep confirmed with another amount": (
        lambda events: nth(events, "sweep.confirmed/1")["state"].__setitem__("amount_minor", 1),
        SWEEPS,
    ),
    "a sweep that failed though its transfer did not": (
        lambda events: nth(events, "sweep.failed/1")["state"].__setitem__("txid", "00" * 32),
        SWEEPS,
    ),
    "tokens that a contract handed on without a log": (
        lambda events: nth(events, "deposit.confirmed/1", -1)["state"]["transfer"].__setitem__("currency", "USDT"),
        DEPOSITS,
    ),
    "a sweep put off twice": (lambda events: again(events, nth(events, "sweep.deferred/1")), SWEEPS),
    "a sweep that gives back what nobody lent": (lambda events: again(events, nth(events, "sweep.released/1")), SWEEPS),
    "an address let go twice": (lambda events: again(events, nth(events, "address.released/1")), OTHERS),
    "destroyed coins that were more": (
        lambda events: nth(events, "token.funds-destroyed/2")["state"]["notice"].__setitem__("amount_minor", 5),
        OTHERS,
    ),
}  # fmt: skip


def test_an_honest_treasury_holds(treasury_desk: Desk, treasury_lines: Lines, tmp_path: Path) -> None:
    """Sweeps, loans, stake, cold storage: every event is known, and every story can be."""
    found = verdict(treasury_lines, tmp_path, treasury_desk)
    assert (found.exit_code, found.wrong) == (0, {})
    assert not [note for note in found.notes if "not known" in note]


@pytest.mark.parametrize("kind", TREASURY_STORIES)
def test_a_treasury_s_story_that_cannot_be_is_named(treasury_lines: Lines, tmp_path: Path, kind: str) -> None:
    """As for clients: what is hashed and sealed as it should be is found by what it tells."""
    change, check = TREASURY_STORIES[kind]
    found = verdict(forge(treasury_lines, change), tmp_path)
    assert found.exit_code == 1
    assert check in found.wrong, found
    assert {ORDER, HASHES, SEALS} & set(found.wrong) == set()
