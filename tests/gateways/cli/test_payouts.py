"""What an approver is shown and signs at the terminal, and the key that it is signed with."""

import io
import json
from pathlib import Path

import pytest

from core.ledger.ledger import Ledger
from core.streams.payout.approvals import PayoutApproved, payout_digest
from gateways.cli.approvals import make_key
from gateways.cli.console import Output
from gateways.cli.payouts import approve, payout_of
from gateways.embedded.note_keys import load
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import API
from gateways.private_file import UnsafeFile
from gateways.signer_settings import approvers_of
from gateways.user_error import UserError
from signers.leash.approvers import Approvers
from tests.support.history import ALICE, TickingClock, execute, fund, order, register, request_payout
from tests.support.memory import MemoryStore
from tests.support.postgres import Database

WISHED = order(ALICE, "p1", 5_000_000)
ASKED = (register(ALICE, "Alice Ltd"), fund(ALICE, 5_000_000, "opening"), request_payout(WISHED))


def made(tmp_path: Path, name: str = "ann") -> tuple[Path, dict[str, str]]:
    """A key file, and what the command says of it."""
    file, printed = tmp_path / f"{name}.key", io.StringIO()
    make_key(name, file, Output(as_json=True, stream=printed))
    return file, json.loads(printed.getvalue())


@pytest.mark.fast
def test_a_key_is_its_owner_s_alone(tmp_path: Path) -> None:
    """Mode 0600, never written over, refused once others may read it; what is printed fits the signer's list."""
    file, said = made(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert approvers_of(said["public_key"])[0] == load(file).key
    with pytest.raises(UserError, match="exists"):
        make_key("ann", file, Output())
    for name in ("", "a b", "a,b", "a+b"):
        with pytest.raises(UserError, match="name"):
            make_key(name, tmp_path / "other.key", Output())
    file.chmod(0o644)
    with pytest.raises(UnsafeFile):
        load(file)


@pytest.mark.fast
def test_what_is_signed_is_what_is_shown(tmp_path: Path) -> None:
    """The order as JSON and its digest; a second signature by the same key is none, and an id that is none is said so."""
    store = MemoryStore()
    ledger = Ledger(store, TickingClock())
    execute(ledger, *ASKED)
    file, said = made(tmp_path)
    signed, printed = payout_of(store, WISHED.payout_id), io.StringIO()
    signed.show(Output(as_json=True, stream=printed))
    shown = json.loads(printed.getvalue())
    assert shown["digest"] == payout_digest(WISHED).hex()
    assert json.loads(shown["signed"])["amount_minor"] == 5_000_000
    assert approve(ledger, signed, load(file), "operator:1") is True
    assert approve(ledger, signed, load(file), "operator:1") is False
    assert payout_of(store, WISHED.payout_id).approvers == ("ann",)
    approved = store.events[-1].event
    assert isinstance(approved, PayoutApproved)
    assert Approvers(approvers_of(said["public_key"])).approver_of(WISHED, approved) == "ann"
    with pytest.raises(UserError, match="no payout"):
        payout_of(store, "x")


def test_the_operator_s_login_appends_it(database: Database, tmp_path: Path) -> None:
    """It needs no other right than the API's, and proves nothing by itself."""
    store = PostgresEventStore(datastore(database.role_urls[API]))
    ledger = Ledger(store, TickingClock())
    execute(ledger, *ASKED)
    file, _ = made(tmp_path)
    assert approve(ledger, payout_of(store, WISHED.payout_id), load(file), "operator:1")
    store.close()


@pytest.mark.fast
@pytest.mark.parametrize("wrong", ["ann", "ann+00000000+AAAA", "two of one name", "two of one key"])
def test_a_list_of_approvers_is_keys_of_different_people(tmp_path: Path, wrong: str) -> None:
    """Each under a name of its own and with a key of its own: one person is not two."""
    ann, other = made(tmp_path)[1]["public_key"], made(tmp_path, "ann2")[1]["public_key"]
    text = {"two of one name": f"{ann},{ann}", "two of one key": f"{ann},{ann}"}.get(wrong, wrong)
    assert len(approvers_of(f"{ann},{other}")) == 2
    with pytest.raises(ValueError, match="key"):
        approvers_of(text)
