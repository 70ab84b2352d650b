"""An auditor's visit to a running installation: keys, an export, the proof of both the database and the export."""

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

from tests.journeys.conftest import ROOT, Installation, get, post
from tests.support.patience import HANG_S, until

BEAN_CHECK = Path(sys.executable).with_name("bean-check")
VERIFIER = ROOT / "schema" / "verify.py"
TAIL = ("--unsigned-tail", "3600")
"""What has happened since the last checkpoint is allowed to be unsigned."""


def counterfoil(running: Installation, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    return subprocess.run(
        [sys.executable, "-m", "gateways", *arguments, "--data", str(running.data)],
        cwd=ROOT,
        env={**environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )


def test_an_auditor_proves_a_running_installation(installation: Installation, tmp_path: Path) -> None:
    """While coins come and go, the database and its export verify against the key and the archive that stand outside."""
    company = installation.company("Audited Ltd")
    until(installation.hot_wallet)
    until(
        lambda: company.post("/v1/payins", json={}, headers={"idempotency-key": "one"}).is_success,
        "an address is ready",
    )
    address = post(company, "/v1/payins", {}, "one")["address"]["tron_address_base58"]
    installation.faucet(address, usdt="25")
    until(lambda: get(company, "/v1/deposits", status="confirmed")["data"], "the deposit is credited")
    archive = installation.data / "checkpoints"
    until(lambda: any(archive.rglob("*.json")), "a checkpoint stands outside the database")
    key = counterfoil(installation, "audit", "keys").stdout.split()[1]
    proven = counterfoil(installation, "audit", "verify", "--key", key, *TAIL)
    assert proven.returncode == 0, proven.stdout + proven.stderr
    assert "everything holds" in proven.stdout
    path = tmp_path / "export.ndjson"
    assert counterfoil(installation, "audit", "export", "--output", str(path)).returncode == 0
    assert json.loads(path.read_bytes().splitlines()[0])["format"] == "counterfoil-export/1"
    again = counterfoil(installation, "audit", "verify", str(path), "--key", key, "--archive", str(archive), *TAIL)
    assert again.returncode == 0, again.stdout + again.stderr
    path.write_bytes(path.read_bytes().replace(b"25000000", b"35000000"))
    alone = [sys.executable, "-I", str(VERIFIER), "history", str(path), "--key", key, "--archive", str(archive)]
    found = subprocess.run(alone, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert found.returncode == 1
    assert "the event is not the one that was kept" in found.stdout


def test_an_auditor_takes_the_books_home(installation: Installation, tmp_path: Path) -> None:
    """As a journal of all books or of one; what cannot be asked is refused with a sentence, and no file is left."""
    company = installation.company("Journalled Ltd")
    until(lambda: company.get("/v1/account").status_code == 200, "the view of accounts has it")
    account = get(company, "/v1/account")["id"]
    path = tmp_path / "books.beancount"
    for wish in ((), ("--account", "treasury"), ("--account", account, "--from", "2020-01-01", "--to", "2020-01-31")):
        made = counterfoil(installation, "audit", "export", "--format", "beancount", *wish, "--output", str(path))
        assert made.returncode == 0, made.stderr
        checked = subprocess.run(
            [str(BEAN_CHECK), str(path)], capture_output=True, text=True, timeout=HANG_S, check=False
        )
        assert checked.returncode == 0, checked.stderr
    journal = counterfoil(installation, "audit", "export", "--format", "hledger")
    assert f"Equity:Client-{account}:Liabilities:User-Liability" in journal.stdout, journal.stderr
    path.unlink()
    for wish, sentence in (
        (("--format", "hledger", "--account", str(UUID(int=1))), "there is no account 00000000"),
        (("--format", "hledger", "--from", "2026-02-01", "--to", "2026-01-01"), "--to must not lie before --from"),
        (("--account", account), "NDJSON is the whole history"),
    ):
        refused = counterfoil(installation, "audit", "export", *wish, "--output", str(path))
        assert (refused.returncode, path.exists()) == (2, False)
        assert sentence in refused.stderr
