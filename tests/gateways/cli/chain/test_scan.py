"""Which block an operator may let pass, what is kept of it, and who may write and read that."""

import msgspec
import pytest

from core.ledger.ledger import Ledger
from core.streams.accepted_blocks import Acceptance, BlockAccepted, accepted_stream
from gateways.cli.chain.scan import accept, acceptable
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import API, OBSERVER
from gateways.user_error import UserError
from scanners.blocks import InvalidBlock
from scanners.producers import Producers
from tests.support.chain import SOLID_LAG, MemoryChain, person, trx_transfer
from tests.support.history import TickingClock
from tests.support.memory import MemoryStore
from tests.support.postgres import Database


def chain_with_a_strange_block(**change: object) -> MemoryChain:
    """Block 1 holds a transaction more than its root states; `change` falsifies it further."""
    chain = MemoryChain()
    chain.mine(trx_transfer(1, person(10), 5), blocks=SOLID_LAG + 2)
    more = (*chain.blocks[1].transactions, trx_transfer(2, person(10), 5).transaction)
    chain.blocks[1] = msgspec.structs.replace(chain.blocks[1], transactions=more, **change)
    return chain


@pytest.mark.fast
def test_only_a_block_whose_root_alone_fails_may_be_accepted() -> None:
    """A block that proves itself needs nothing, one that is not there cannot be looked at, and a false one is refused."""
    chain = chain_with_a_strange_block()
    assert acceptable(chain, Producers(chain), 1) == (chain.blocks[1].ref.block_id, 2)
    with pytest.raises(UserError, match="proves its transactions itself"):
        acceptable(chain, Producers(chain), 2)
    with pytest.raises(UserError, match="no solid block 90"):
        acceptable(chain, Producers(chain), 90)
    for change in ({"witness_signature": b""}, {"header_raw": b"\x08\x01"}):
        false = chain_with_a_strange_block(**change)
        with pytest.raises(InvalidBlock):
            acceptable(false, Producers(false), 1)


@pytest.mark.fast
def test_an_acceptance_is_kept_once_with_its_reason() -> None:
    """Without a reason nothing is recorded; the same block again changes nothing; another one replaces it."""
    store = MemoryStore()
    ledger = Ledger(store, TickingClock())
    for reason in ("", " ", "x" * 501):
        with pytest.raises(UserError, match="say why"):
            accept(ledger, 7, "ab" * 32, reason, "operator:me")
    for reason in (" two explorers show it ", "again"):
        accept(ledger, 7, "ab" * 32, reason, "operator:me")
    [recorded] = store.histories([accepted_stream(7)])[accepted_stream(7)]
    assert isinstance(recorded.event, BlockAccepted)
    assert (recorded.event.reason, recorded.event.actor) == ("two explorers show it", "operator:me")
    accept(ledger, 7, "cd" * 32, "the other one", "operator:me")
    acceptance = Acceptance()
    for recorded in store.histories([accepted_stream(7)])[accepted_stream(7)]:
        acceptance = acceptance.evolve(recorded.event)
    assert acceptance.block_id == "cd" * 32


def test_the_operator_s_login_writes_it_and_the_observer_s_reads_it(database: Database) -> None:
    """Each with the role of its own; the observer cannot accept a block for itself (I14)."""
    operator, observer = (PostgresEventStore(datastore(database.role_urls[role])) for role in (API, OBSERVER))
    try:
        accept(Ledger(operator, TickingClock()), 7, "ab" * 32, "looked", "operator:me")
        [recorded] = observer.histories([accepted_stream(7)])[accepted_stream(7)]
        assert isinstance(recorded.event, BlockAccepted)
        with pytest.raises(Exception, match=r"permission|denied|may not"):
            accept(Ledger(observer, TickingClock()), 8, "ab" * 32, "looked", "operator:me")
    finally:
        operator.close()
        observer.close()
