"""Cold storage: a key that is made and used where no network is, and coins that come from it once."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2
import pytest

from tests.journeys.conftest import ROOT, Installation
from tests.support.patience import HANG_S

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
    words = ("-m", "gateways", *words, "--data", str(running.data))
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def said(done: "subprocess.CompletedProcess[str]", *, code: int = 0) -> str:
    assert done.returncode == code, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def after(text: str, label: str) -> str:
    return text.partition(f"{label} ")[2].split()[0]


@pytest.mark.skipif(not without_network(), reason="no process may have a network namespace of its own here")
def test_coins_come_from_cold_storage_once_and_what_is_not_signed_in_time_never() -> None:
    """Key and signature are made without network; the books follow; a second submission and a late one are refused."""
    with tempfile.TemporaryDirectory(prefix="cf-cold-") as folder:
        here, away = Path(folder) / "here", Path(folder) / "away"
        here.mkdir()
        away.mkdir()
        with Installation(Path(folder) / "data") as running:
            address = said(offline("cold", "keygen", "--keystore", "cold.json", folder=away)).split()[-1]
            said(command(running, "wallets", "register", "cold", address, folder=here))
            running.faucet(running.hot_wallet(), usdt="1", trx="10")
            running.faucet(address, usdt="1000", trx="100")
            running.until_happened("deposit.confirmed", 4)
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
