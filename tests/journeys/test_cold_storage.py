"""Cold storage: keys that are made and used where no network is, and coins that come from it once; wallets of several keys."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from core.ledger.books import COLD_WALLET, HOT_WALLET, NETWORK_FEE
from core.ledger.journal import TREASURY
from core.tron.transactions import SIGNED, txid_of
from gateways.embedded.secrets_file import load_or_create
from signers.keys.keys import Key
from signers.keys.keystore import Keystore
from tests.documents.warm import Warm
from tests.journeys.conftest import ROOT, Installation, get, post
from tests.support.patience import HANG_S, until

PASSPHRASE = "of a test, and of nothing else"
OFFLINE = [*(["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]), sys.executable]


def without_network() -> bool:
    """Whether this machine lets a process have a network namespace of its own, with nothing in it."""
    probe = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run([*OFFLINE, "-c", probe], capture_output=True, text=True, check=False)
    return "unreachable" in done.stderr


def offline(*words: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """`counterfoil ...` on a machine of its own: no network, no database, no node, nothing but its folder."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
        "COUNTERFOIL_NETWORK": "devnet",
        "COUNTERFOIL_KEYSTORE_PASSPHRASE": PASSPHRASE,
    }
    words = ("-m", "gateways", *words)
    return subprocess.run([*OFFLINE, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def command(running: Installation, *words: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """`counterfoil ...` beside what runs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    environment |= {"COLUMNS": "200", "PYTHONPATH": str(ROOT)}
    program = [str(running.data.parent / "counterfoil"), *words, "--data", str(running.data)]
    return subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def said(done: "subprocess.CompletedProcess[str]", *, code: int = 0) -> str:
    assert done.returncode == code, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def after(text: str, label: str) -> str:
    return text.partition(f"{label} ")[2].split()[0]


class Storage(NamedTuple):
    """An installation, the operator's folder, the folder of the machine without network, and the cold wallet's address."""

    running: Installation
    here: Path
    away: Path
    cold: str


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    """Cold storage has coins, and its key is away."""
    if not without_network():
        pytest.skip("no process may have a network namespace of its own here")
    with tempfile.TemporaryDirectory(prefix="cf-cold-") as folder:
        here, away = Path(folder) / "here", Path(folder) / "away"
        here.mkdir()
        away.mkdir()
        warm = Warm(Path(folder))
        with contextlib.closing(warm), Installation(Path(folder) / "data") as running:
            address = keygen("cold.json", away)
            said(command(running, "wallets", "register", "cold", address, folder=here))
            running.faucet(running.hot_wallet(), usdt="1", trx="500")
            running.faucet(address, usdt="1000", trx="500")
            running.until_happened("deposit.confirmed", 4)
            yield Storage(running, here, away, address)


def keygen(keystore: str, folder: Path) -> str:
    return said(offline("cold", "keygen", "--keystore", keystore, folder=folder)).split()[-1]


def test_coins_come_from_cold_storage_once_and_what_is_not_signed_in_time_never(storage: Storage) -> None:
    """Key and signature are made without network; the books follow; a second submission and a late one are refused."""
    running, here, away, _ = storage
    text = said(command(running, "cold", "prepare", "400", folder=here))
    txid, fingerprint = after(text, "txid"), after(text, "fingerprint")
    again = command(running, "cold", "prepare", "1", "--output", "other.json", folder=here)
    assert "not over yet" in said(again, code=2)

    shutil.move(here / "cold-bundle.json", away)
    sign = ("cold", "sign", "cold-bundle.json", "--keystore", "cold.json", "--fingerprint")
    assert "do not sign it" in said(offline(*sign, "AAAA-BBBB-CCCC-DDDD-EEEE", folder=away), code=2)
    assert txid in said(offline(*sign, fingerprint, folder=away))
    shutil.move(away / "cold-bundle.signed.json", here)

    submit = ("cold", "submit", "cold-bundle.signed.json")
    assert txid in said(command(running, *submit, folder=here))
    assert "submitted before" in said(command(running, *submit, folder=here), code=2)
    running.until_happened("instruction.confirmed")
    assert "confirmed" in said(command(running, "cold", "list", folder=here))
    said(command(running, "reconcile", folder=here))

    late = said(command(running, "cold", "prepare", "5", "--hours", "1", folder=here))
    shutil.move(here / "cold-bundle.json", away / "cold-bundle.json")
    said(offline(*sign, after(late, "fingerprint"), folder=away))
    shutil.move(away / "cold-bundle.signed.json", here / "cold-bundle.signed.json")
    answer = httpx2.post(f"{running.devnet}/devnet/time", json={"advance_ms": 7_200_000}, timeout=HANG_S)
    assert answer.status_code == 200, answer.text
    told = said(command(running, *submit, folder=here), code=2)
    assert "has expired and nothing moved" in told or "submitted before" in told
    running.until_happened("instruction.withdrawn")
    assert "withdrawn" in said(command(running, "cold", "list", folder=here))
    said(command(running, "reconcile", folder=here))


def update_permissions(running: Installation, role: str, key: Key, folder: Path) -> None:
    """Give the wallet on the chain what is declared of it, by its own key, and book what that burned."""
    declared = shown(running, role, folder)["declared"]
    granted = [
        {
            "type": 2 if each["permission_id"] else 0,
            "permission_name": f"permission {each['permission_id']}",
            "threshold": each["threshold"],
            "keys": each["keys"],
            **({"operations": each["mask"]} if each["permission_id"] else {}),
        }
        for each in declared
    ]
    with httpx2.Client(base_url=running.devnet, timeout=HANG_S) as node:
        body = {"owner_address": key.address.base58, "owner": granted[0], "actives": granted[1:], "visible": True}
        raw_data = bytes.fromhex(node.post("/wallet/accountpermissionupdate", json=body).json()["raw_data_hex"])
        txid = txid_of(raw_data)
        signed = SIGNED.encode({"raw_data": raw_data, "signature": [key.sign_digest(bytes.fromhex(txid))]})
        answer = node.post("/wallet/broadcasthex", json={"transaction": signed.hex()}).json()
        assert answer["result"] is True, answer
        receipt = until(lambda: node.post("/wallet/gettransactioninfobyid", json={"value": txid}).json(), "it is mined")
    assert receipt["fee"] >= 100_000_000
    amount = str(Decimal(receipt["fee"]) / 1_000_000)
    account = {"cold": COLD_WALLET, "hot": HOT_WALLET}[role]
    lines = [
        {"account_id": TREASURY, "ledger_account": code, "side": side, "amount": amount, "currency": "TRX"}
        for code, side in ((NETWORK_FEE, "debit"), (account, "credit"))
    ]
    with running.operator() as operator:
        known = {"reason": f"{txid} changed the permissions", "postings": lines, "even_though": True}
        post(operator, "/v1/adjustments", known)


def shown(running: Installation, role: str, folder: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        command(running, "wallets", "permissions", "show", role, "--json", folder=folder).stdout
    )
    return answer


def goes_on(running: Installation, folder: Path, changed: int) -> None:
    """Signing does, by itself, once the chain shows what is declared and so many changes were seen in solid blocks."""
    running.until_happened("wallet.permission-changed", changed)
    until(
        lambda: "nothing holds signing back" in said(command(running, "signing", "status", folder=folder)), "it goes on"
    )


def test_two_of_three_holders_sign_for_cold_storage_and_a_hot_wallet_of_several_owners_pays(storage: Storage) -> None:
    """Undeclared changes stop signing; a bundle leaves with two signatures, no stranger's, none twice; the books follow."""
    running, here, away, cold = storage
    hot = running.hot_wallet()
    ann, bob, eve = (keygen(f"{name}.json", away) for name in ("ann", "bob", "eve"))
    holders = f"2 of {cold}, {ann}, {bob}"
    declare = ("wallets", "permissions", "declare")
    text = said(command(running, *declare, "cold", "--owner", holders, "--active", f"{holders}: Transfer", folder=here))
    assert "the chain shows something else" in text
    assert "its permissions are not as declared" in said(command(running, "cold", "prepare", "9", folder=here), code=2)
    update_permissions(running, "cold", Keystore.open(away / "cold.json", PASSPHRASE).key("keystore:cold"), here)
    goes_on(running, here, 1)

    text = said(command(running, "cold", "prepare", "300", "--output", "shared.json", folder=here))
    assert "nobody yet" in text
    fingerprint = after(text, "fingerprint")
    shutil.move(here / "shared.json", away / "shared.json")

    def sign(bundle: str, keystore: str, *, code: int = 0) -> str:
        return said(
            offline("cold", "sign", bundle, "--keystore", keystore, "--fingerprint", fingerprint, folder=away),
            code=code,
        )

    assert "is no key of the owner permission" in sign("shared.json", "eve.json", code=2)
    assert "1 of 2 is missing" in sign("shared.json", "ann.json")
    assert "has signed it already" in sign("shared.signed-1.json", "ann.json", code=2)
    shutil.copy(away / "shared.signed-1.json", here)
    lacking = said(command(running, "cold", "submit", "shared.signed-1.json", folder=here), code=2)
    assert f"{ann}'s signature, and lacks a weight of 1" in lacking
    assert "counterfoil cold submit shared.signed-2.json" in sign("shared.signed-1.json", "bob.json")
    shutil.move(away / "shared.signed-2.json", here)
    confirmed = said(command(running, "cold", "list", folder=here)).split().count("confirmed")
    txid = said(command(running, "cold", "submit", "shared.signed-2.json", folder=here)).split()[0]
    running.until_happened("instruction.confirmed", confirmed + 1)
    said(command(running, "reconcile", folder=here))

    active = f"1 of {hot}: Transfer, TriggerSmartContract"
    said(command(running, *declare, "hot", "--owner", f"2 of {ann}, {bob}, {eve}", "--active", active, folder=here))
    passphrase = load_or_create(running.data / "secrets.json").keystore_passphrase
    key = Keystore.open(running.data / "keystore.json", passphrase).key("keystore:hot")
    update_permissions(running, "hot", key, here)
    goes_on(running, here, 2)
    with running.company() as company:
        payin = post(company, "/v1/payins", {})
        running.faucet(payin["address"]["tron_address_base58"], usdt="50")
        until(lambda: "50.000000" in company.get("/v1/balances").text, "the deposit is credited")
        post(company, "/v1/payouts", {"amount": "20", "to_address": eve})
        [paid] = until(
            lambda: [it for it in get(company, "/v1/payouts")["data"] if it["state"] == "confirmed"], "it is paid"
        )
    node = httpx2.Client(base_url=running.devnet, timeout=HANG_S)
    mined = node.post("/wallet/gettransactionbyid", json={"value": paid["tron_tx_hash"]}).json()
    assert mined["raw_data"]["contract"][0]["Permission_id"] == 2
    assert len(node.post("/wallet/gettransactionbyid", json={"value": txid}).json()["signature"]) == 2
    node.close()
    said(command(running, "reconcile", folder=here))
