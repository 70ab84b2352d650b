"""What the operator is told about stopped signing, and what his word does."""

from types import SimpleNamespace
from typing import Any

import pytest

from core.ledger.ledger import Ledger
from core.streams.notices import Kind, Notice, RecordNotice
from core.streams.signing import SIGNING, Cause, SigningResumed
from core.streams.treasury import RegisterWallet
from gateways.cli.chain.causes import still_holding
from gateways.cli.signing import resume
from gateways.devnet.chain.genesis import USDT as DEVNET_USDT
from gateways.devnet.http.controls import _OWNER_CALLS
from gateways.devnet.machine.abi import selector_of
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import API, RECORDER
from gateways.user_error import UserError
from projections.explain.signing import holding
from tests.support.devnet import SOLID_LAG, USDT, DevnetNode
from tests.support.history import ACTOR, HOT_WALLET, TickingClock, execute
from tests.support.memory import MemoryStore
from tests.support.postgres import Database


def seen(kind: Kind, name: str) -> RecordNotice:
    return RecordNotice(Notice(kind, name * 32, 0, 7, "cd" * 32, 1), None, ACTOR)


@pytest.mark.fast
def test_every_cause_is_shown_with_its_meaning_and_place() -> None:
    """The oldest first, each with the event that shows it; nothing is shown when nothing holds."""
    store = MemoryStore()
    ledger = Ledger(store, TickingClock())
    assert holding(store) == []
    execute(ledger, seen("token_paused", "aa"), seen("token_deprecated", "bb"))
    paused, deprecated = holding(store)
    assert (paused.cause, paused.stream) == ("token_paused", f"token-{'aa' * 32}-0")
    assert paused.since == store.events[0].event.occurred_at
    assert deprecated.sentence.startswith("The issuer moved the token to another contract")
    assert "bb" * 32 in deprecated.sentence


@pytest.mark.fast
def test_resuming_needs_a_cause_and_a_reason() -> None:
    """An empty reason and a resume of what is not stopped are refused; a given reason is kept."""
    store = MemoryStore()
    ledger = Ledger(store, TickingClock())
    with pytest.raises(UserError, match="not stopped"):
        resume(ledger, store, "looked", "operator:1")
    execute(ledger, seen("token_paused", "aa"))
    for reason in ("", "  ", "x" * 501):
        with pytest.raises(UserError, match="say why"):
            resume(ledger, store, reason, "operator:1")
    assert resume(ledger, store, " issuer says it is over ", "operator:1") == ("token_paused",)
    assert holding(store) == []
    resumed = store.histories([SIGNING])[SIGNING][-1].event
    assert isinstance(resumed, SigningResumed)
    assert (resumed.reason, resumed.actor) == ("issuer says it is over", "operator:1")


def test_the_recorder_stops_and_the_operators_login_resumes(database: Database) -> None:
    """Each with the database role of its process, and neither needs the other's rights (I14)."""
    recorder, operator = (PostgresEventStore(datastore(database.role_urls[role])) for role in (RECORDER, API))
    try:
        execute(Ledger(recorder, TickingClock()), seen("token_paused", "aa"))
        assert [each.cause for each in holding(operator)] == ["token_paused"]
        assert resume(Ledger(operator, TickingClock()), operator, "looked", "operator:1") == ("token_paused",)
        assert holding(recorder) == []
        execute(Ledger(recorder, TickingClock()), seen("token_deprecated", "bb"))
    finally:
        recorder.close()
        operator.close()


@pytest.mark.fast
def test_what_the_chain_still_shows_is_not_settled_by_a_word() -> None:
    """A paused token stays a cause, alone or beside another that a person may settle."""
    store = MemoryStore()
    ledger = Ledger(store, TickingClock())
    execute(ledger, seen("token_paused", "aa"))
    standing: dict[Cause, str] = {"token_paused": "the token is paused"}
    with pytest.raises(UserError, match="the token is paused"):
        resume(ledger, store, "looked", "operator:1", standing=standing)
    execute(ledger, seen("token_deprecated", "bb"))
    assert resume(ledger, store, "looked", "operator:1", standing=standing) == ("token_deprecated",)
    assert [each.cause for each in holding(store)] == ["token_paused"]


@pytest.mark.fast
def test_the_chain_is_asked_whether_a_cause_still_holds() -> None:
    """By the token's own getters and the wallets' permissions, of a token that is paused, takes a fee and has a successor."""
    node, store = DevnetNode(), MemoryStore()
    execute(Ledger(store, TickingClock()), RegisterWallet("hot", HOT_WALLET.base58, "key", ACTOR))
    settings = SimpleNamespace(usdt=USDT, network="devnet", signer_approvers="", signer_approvals=1)
    platform: Any = SimpleNamespace(node=node, store=store, settings=settings)
    asked = ("token_paused", "token_fee_on", "token_deprecated", "hot_wallet_blacklisted", "wallet_permission_changed")
    assert still_holding(platform, (*asked, "outgoing_unexplained")) == {}
    for name, value in (("pause", True), ("set_params", [10, 5]), ("blacklist", HOT_WALLET.base58)):
        signature, encode = _OWNER_CALLS[name]
        genesis = node.devnet.chain.genesis
        assert node.devnet.call(genesis.treasury, DEVNET_USDT, selector_of(signature) + encode(value, genesis)).accepted
        node.mine()
    for _ in range(SOLID_LAG + 1):
        node.mine()
    assert set(still_holding(platform, asked)) == {"token_paused", "token_fee_on", "hot_wallet_blacklisted"}
