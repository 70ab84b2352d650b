"""Receipts, checkpoints and proofs over HTTP: what is a client's own is proven to it offline, and nothing else is told."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.proofs.merkle import check_consistency, check_inclusion
from core.proofs.notes import NoteKey, opened
from core.proofs.receipts import Receipt, check
from projections.audit.checkpoints import publish_key
from tests.gateways.cli.test_app import counterfoil
from tests.gateways.http.harness import PAYEE, Client, World
from tests.support.checkpoints import Desk
from tests.support.exports import VERIFIER
from tests.support.patience import HANG_S
from tests.support.postgres import Database


@pytest.fixture
def desk(api: World, database: Database, tmp_path: Path) -> Iterator[Desk]:
    """The checkpoint process of the API's database."""
    made = Desk(database, tmp_path / "archive")
    publish_key(made.login.transaction, made.signer.key, "checkpoints")
    yield made
    made.login.close()


def receipt_of(client: Client, position: object) -> dict[str, Any]:
    return client.shown(f"/v1/receipts/{position}")


def test_a_write_is_proven_after_the_next_checkpoint(api: World, desk: Desk, tmp_path: Path) -> None:
    """The answer promises an entry; the receipt shows it at once, and proves it once a checkpoint covers it."""
    acme = api.company(usdt="10")
    body = {"to_address": PAYEE, "amount": "1", "client_reference": "order 7"}
    answer = acme.post("/v1/payouts", json=body, headers={"prefer": "receipt"})
    payout = answer.json()
    before = receipt_of(acme, payout["position"])
    promised = answer.headers["counterfoil-receipt"]
    assert promised == f"position={payout['position']}; entry={before['entry_hash']}"
    assert set(before) == {"position", "entry", "entry_hash"}
    entry = json.loads(before["entry"])
    assert entry["order"]["payout_id"] == payout["id"]
    assert entry["order"]["client_reference"] == "order 7"
    assert [line["account"] for line in entry["lines"]] == ["User_Liability", "Clearing_Account"]
    desk.sign_now()
    after = receipt_of(acme, payout["position"])
    assert {name: after[name] for name in before} == before
    assert check(Receipt(**{**after, "path": tuple(after["path"])}), desk.signer.key).number == 1
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(after))
    for command in (
        [sys.executable, "-I", str(VERIFIER), "receipt", str(path), "--key", str(desk.signer.key)],
        [sys.executable, "-m", "gateways", "receipt", "verify", str(path), "--key", str(desk.signer.key)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert payout["id"] in done.stdout


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("entry", lambda text: text.replace("order 7", "order 8")),
        ("entry_hash", lambda _: "00" * 32),
        ("salt", lambda _: "00" * 32),
        ("index", lambda index: index ^ 1),
        ("path", lambda path: path[1:]),
        ("checkpoint", lambda number: number + 1),
        ("note", lambda note: note.replace("/receipts", "/receipt")),
    ],
)
def test_a_receipt_that_was_changed_proves_nothing(
    api: World, desk: Desk, tmp_path: Path, name: str, change: Any
) -> None:
    """Both checkers refuse it and say why."""
    acme = api.company(usdt="10")
    payout = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1", "client_reference": "order 7"})
    desk.sign_now()
    receipt = receipt_of(acme, payout["position"])
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps({**receipt, name: change(receipt[name])}))
    command = [sys.executable, "-I", str(VERIFIER), "receipt", str(path), "--key", str(desk.signer.key)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 1, done.stdout
    assert done.stdout.startswith("WRONG")
    done = counterfoil("receipt", "verify", str(path), "--key", str(desk.signer.key))
    assert done.returncode == 1
    assert "this proves nothing: " in done.stdout


def test_an_object_s_receipts_are_listed(api: World, desk: Desk) -> None:
    """Everything that happened to a payout, newest first, in pages; what was not written by the client as well."""
    acme = api.company(usdt="10")
    payout = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    acme.post(f"/v1/payouts/{payout['id']}/cancel")
    desk.sign_now()
    listed = acme.shown(f"/v1/receipts?subject=payout-{payout['id']}")["data"]
    assert [json.loads(each["entry"])["topic"] for each in listed] == ["payout.cancelled/1", "payout.requested/2"]
    first = acme.shown(f"/v1/receipts?subject=payout-{payout['id']}&limit=1")
    second = acme.shown(f"/v1/receipts?subject=payout-{payout['id']}&limit=1&after={first['next_cursor']}")
    assert first["data"] + second["data"] == listed
    opening = acme.shown(f"/v1/receipts?subject=account-{acme.account_id}")["data"]
    assert [json.loads(each["entry"])["name"] for each in opening] == ["Acme"]


def test_nobody_sees_another_s_receipts(api: World, desk: Desk) -> None:
    """A position or an object of another client is as one that does not exist (I12)."""
    acme, other = api.company(usdt="10"), api.company("Other")
    payout = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    number = int(api.operator.get("/v1/projections").headers["counterfoil-position"])
    desk.sign_now()
    assert receipt_of(acme, payout["position"])
    for position in (payout["position"], number, "x", "A" * 22, 10**17):
        refused = other.get(f"/v1/receipts/{position}")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert other.shown(f"/v1/receipts?subject=payout-{payout['id']}")["data"] == []
    assert api.operator.get(f"/v1/receipts/{number}").status_code == 404


def test_both_ends_of_a_transfer_see_their_own(api: World, desk: Desk) -> None:
    """The receiver's receipt of a transfer shows its own lines, and nothing of the sender."""
    acme, other = api.company(usdt="10"), api.company("Other")
    other.patch("/v1/account", json={"accept_transfers": True})
    sent = acme.made(
        "/v1/transfers",
        {
            "from_ledger_account": "User_Liability",
            "to_ledger_account": "User_Liability",
            "to_account_id": other.account_id,
            "amount": "2",
        },
    )
    desk.sign_now()
    [received] = other.shown(f"/v1/receipts?subject=transfer-{sent['id']}")["data"]
    assert acme.account_id not in json.dumps(received)
    assert {line["account"] for line in json.loads(received["entry"])["lines"]} == {
        "System_Hot_Wallet_Asset",
        "User_Liability",
    }


def test_a_receipt_says_nothing_of_the_platform_s_size(api: World, desk: Desk) -> None:
    """However much happened, a client's receipt has a path of 10 hashes and no number that grows with the rest (I12)."""
    acme = api.company(usdt="10")
    shapes = []
    for others in (1, 30):
        for _ in range(others):
            api.company("Other")
        payout = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "0.5"})
        desk.sign_now()
        found = receipt_of(acme, payout["position"])
        shapes.append((len(found["path"]), len(found["note"].splitlines()), len(found["position"])))
    assert shapes[0] == shapes[1] == (10, 6, 22)


def test_a_plain_answer_carries_no_receipt(api: World) -> None:
    """Only who prefers one is given one; a repetition has written nothing."""
    acme = api.company(usdt="10")
    body = {"to_address": PAYEE, "amount": "1"}
    plain = acme.post("/v1/payouts", json=body, headers={"idempotency-key": "one"})
    again = acme.post("/v1/payouts", json=body, headers={"idempotency-key": "one", "prefer": "receipt"})
    assert "counterfoil-receipt" not in plain.headers
    assert "counterfoil-receipt" not in again.headers


def test_the_operator_sees_checkpoints_and_how_they_follow(api: World, desk: Desk) -> None:
    """Each is signed, and its proof shows that the history only grew since the one before; clients may not look."""
    acme = api.company(usdt="10")
    desk.sign_now()
    acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    desk.sign_now()
    listed = api.operator.shown("/v1/checkpoints")["data"]
    assert api.company("A Client Who Keeps Some").shown("/v1/checkpoints")["data"][-1] == listed[-1]
    assert [each["number"] for each in listed] == [2, 1]
    assert opened(listed[0]["note"], desk.signer.key).splitlines()[1] == str(listed[0]["size"])
    proof = api.operator.shown("/v1/checkpoints/2")
    path = [bytes.fromhex(step) for step in proof["consistency"]]
    old, new = (bytes.fromhex(each["root"]) for each in reversed(listed))
    check_consistency(proof["since_size"], old, proof["size"], new, path)
    assert "consistency" not in api.operator.shown("/v1/checkpoints/1")
    for position in (1, listed[0]["size"]):
        found = api.operator.shown(f"/v1/inclusion-proofs/{position}")
        steps = [bytes.fromhex(step) for step in found["path"]]
        root, size = bytes.fromhex(found["checkpoint"]["root"]), found["checkpoint"]["size"]
        check_inclusion(bytes.fromhex(found["leaf"]), position - 1, size, steps, root)
    for path in ("/v1/checkpoints/3", "/v1/checkpoints/0", "/v1/inclusion-proofs/0", "/v1/inclusion-proofs/999999"):
        assert api.operator.get(path).status_code == 404
    for path in ("/v1/checkpoints/1", "/v1/inclusion-proofs/1"):
        assert acme.get(path).status_code == 403


def test_keys_are_shown_to_everybody_with_a_key(api: World, desk: Desk) -> None:
    """The public half, in the form the verifiers take."""
    acme = api.company()
    first, second = acme.shown("/v1/verification-keys")["data"]
    assert first == {"purpose": "checkpoints", "key": str(desk.signer.key)}
    assert (second["purpose"], NoteKey.parse(second["key"]).name) == ("statements", "counterfoil/devnet/statements")
