"""What left our wallets and nobody here signed: matched with what is open, adopted on proof, explained, or left."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from core.ledger.ledger import Ledger
from core.streams.lost_outgoing import LeftInLostHistory, LostOutgoingAttributed
from core.streams.notices import Notice, RecordNotice
from core.streams.signing import SigningResumed
from gateways.cli import payouts
from gateways.cli.chain.unexplained import Unexplained, unproven
from gateways.cli.console import Output
from gateways.cli.payouts import adopt_payout
from gateways.cli.recovery import settle
from gateways.cli.signing import resume_signing, show_signing
from gateways.postgres.event_store import PostgresEventStore
from gateways.settings import Settings, load
from gateways.user_error import UserError
from projections.engine.tracking import ViewTracking
from tests.support.devnet import SOLID_LAG, USDT, DevnetLog, DevnetNode
from tests.support.history import (
    ACTOR,
    ALICE,
    HOT_WALLET,
    PAYEE,
    execute,
    fund,
    order,
    register,
    request_payout,
    txid,
    wallet,
)
from tests.support.postgres import Database
from tests.support.views import project

COINS = 1_000_000
AMOUNT = 7 * COINS
WISHED = order(ALICE, "p1", AMOUNT)
LEFT = LeftInLostHistory(txid("theft"), "hot", HOT_WALLET.base58, 8, 1, 345_000, PAYEE.base58, "", AMOUNT, "USDT")


class Stopped:
    """An installation whose hot wallet sent what nobody here signed, and one open payout of the same."""

    def __init__(
        self, database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, data: Path
    ) -> None:
        self.ledger, self.store, self.tracking = ledger, store, tracking
        self.settings: Settings = load(
            {}, data=data, database_url=database.owner_url, tron_node_url="http://127.0.0.1:1"
        )
        execute(ledger, register(ALICE, "Alice"), wallet("hot", HOT_WALLET))
        execute(ledger, fund(ALICE, 100 * COINS, "opening"), request_payout(WISHED))
        self.leave(LEFT)

    def leave(self, left: LeftInLostHistory) -> None:
        told = Notice("outgoing", left.txid, None, left.block_number, "cd" * 32, 1, HOT_WALLET.base58, "hot")
        execute(self.ledger, RecordNotice(told, None, ACTOR, left))
        self.project()

    def project(self) -> None:
        project(self.store, self.tracking)

    def last(self, kind: type) -> Any:
        return next((it.event for it in reversed(self.store.read(0, 1000)) if isinstance(it.event, kind)), None)


@pytest.fixture
def stopped(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, tmp_path: Path
) -> Stopped:
    return Stopped(database, ledger, store, tracking, tmp_path)


def test_what_left_is_matched_with_what_is_open(stopped: Stopped, capsys: pytest.CaptureFixture[str]) -> None:
    """Payee and amount of a payout, shown with the command that adopts it; what resembles nothing is shown as that."""
    stranger = msgspec.structs.replace(LEFT, txid=txid("other"), amount_minor=AMOUNT + 1)
    stopped.leave(stranger)
    show_signing(stopped.settings, Output(as_json=True))
    told = json.loads(capsys.readouterr().out)
    assert [(each["txid"], each["payouts"], each["amount"]) for each in told["unexplained"]] == [
        (LEFT.txid, [WISHED.payout_id], "7.000000"),
        (stranger.txid, [], "7.000001"),
    ]
    [cause] = told["data"]
    assert cause["cause"] == "outgoing_unexplained"
    assert f"counterfoil payouts adopt {WISHED.payout_id} --tx {LEFT.txid}" in cause["now"]
    show_signing(stopped.settings, Output())
    assert f"payout {WISHED.payout_id}" in capsys.readouterr().out


def test_signing_is_not_resumed_while_a_transfer_is_not_explained(stopped: Stopped) -> None:
    """Unless a person knows better and says so, which is kept with the reason."""
    with pytest.raises(UserError, match=f"still holds: 7.000000 USDT left for {PAYEE.base58} .* --even-though"):
        resume_signing(stopped.settings, "looked", Output())
    resume_signing(stopped.settings, "it was me, by hand", Output(), even_though=True)
    resumed = stopped.last(SigningResumed)
    assert resumed.causes == ("outgoing_unexplained",)
    assert resumed.reason.startswith("it was me, by hand (even though 7.000000 USDT left for")


def test_a_payout_adopts_a_transfer_that_the_chain_proves(
    stopped: Stopped, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Then it is explained, and signing goes on; without proof, or as another transfer, nothing is adopted."""
    monkeypatch.setattr(payouts, "unproven", lambda *_: "its receipt says that it failed")
    with pytest.raises(UserError, match="does not prove that anybody was paid: its receipt says that it failed"):
        adopt_payout(stopped.settings, WISHED.payout_id, LEFT.txid, Output())
    monkeypatch.setattr(payouts, "unproven", lambda *_: "")
    with pytest.raises(UserError, match="that is not explained"):
        adopt_payout(stopped.settings, WISHED.payout_id, txid("none"), Output())
    with pytest.raises(UserError, match="no such payout"):
        adopt_payout(stopped.settings, "nobody's", LEFT.txid, Output())
    adopt_payout(stopped.settings, WISHED.payout_id, LEFT.txid, Output())
    assert stopped.last(LostOutgoingAttributed).payout_id == WISHED.payout_id
    assert "nothing leaves for it" in capsys.readouterr().out
    stopped.project()
    resume_signing(stopped.settings, "it was the payout", Output())
    assert "signing goes on" in capsys.readouterr().out


def test_what_is_written_off_holds_nothing_back(stopped: Stopped, capsys: pytest.CaptureFixture[str]) -> None:
    """It is explained by the operator who bears it."""
    settle.write_off(stopped.settings, LEFT.txid, "stolen, and reported", Output())
    stopped.project()
    resume_signing(stopped.settings, "the key is replaced", Output())
    assert "signing goes on" in capsys.readouterr().out


@pytest.mark.fast
def test_the_receipt_of_a_solid_block_is_the_proof() -> None:
    """Of this payee and this amount out of this wallet, and of nothing else; before it is solid, of nothing at all."""
    node = DevnetNode()
    giver = node.devnet.chain.genesis.treasury.address
    verdict = node.devnet.give_usdt(PAYEE, AMOUNT)
    node.mine()
    platform: Any = SimpleNamespace(node=node, solid_log=DevnetLog(node), settings=SimpleNamespace(usdt=USDT))
    sender = type(PAYEE)(giver).base58
    left = Unexplained(verdict.txid, sender, PAYEE.base58, AMOUNT, "USDT", 1, [], [])
    assert unproven(platform, left) == "no solid block that was read has it"
    node.mine(SOLID_LAG + 1)
    assert unproven(platform, left) == ""
    for other in (
        left._replace(amount_minor=AMOUNT + 1),
        left._replace(to_address=sender),
        left._replace(address=PAYEE.base58),
    ):
        assert "no Transfer log of this payee and this amount" in unproven(platform, other)
    assert unproven(platform, left._replace(txid="ab" * 32)) == "no solid block that was read has it"
