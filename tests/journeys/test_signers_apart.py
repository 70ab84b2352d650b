"""The signers beside the rest of an installation, as in containers of their own: each side has its own folder."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from gateways.processes.signers_apart import FOLDER, signers
from tests.journeys.conftest import ROOT, Installation, get, post
from tests.support.patience import HANG_S, until


def test_the_keystore_is_where_the_signers_are_and_nowhere_else() -> None:
    """A payout is paid by signers that know the installation by one folder; neither side holds the other's files."""
    with tempfile.TemporaryDirectory(prefix="cf-apart-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        keys, environment = folder / "keys", {n: v for n, v in os.environ.items() if not n.startswith("COUNTERFOIL_")}
        command = [sys.executable, "-m", "gateways", "up", "--data", str(keys)]
        signing = subprocess.Popen(
            [*command, "--signers-of", str(folder / "data" / FOLDER)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        try:
            with Installation(folder / "data", "--without-signers") as running:
                running.faucet(running.hot_wallet(), usdt="100", trx="100")
                with running.company() as acme:
                    address = until(
                        lambda: (
                            acme.post("/v1/payins", json={}, headers={"idempotency-key": "a"}).json().get("address")
                        ),
                        "there is an address",
                    )
                    running.faucet(address["tron_address_base58"], usdt="10")
                    until(lambda: get(acme, "/v1/deposits", status="confirmed")["data"], "the deposit is credited")
                    payout = post(
                        acme, "/v1/payouts", {"to_address": "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7", "amount": "5"}
                    )
                    path, since = f"/v1/payouts/{payout['id']}", payout["position"]
                    until(lambda: get(acme, path, min_position=since)["state"] == "confirmed", "the payout is paid")
                assert all(running.child(process.name) is None for process in signers())
                assert not (running.data / "keystore.json").exists()
            assert (keys / "keystore.json").stat().st_mode & 0o777 == 0o600
            assert {path.stat().st_mode & 0o077 for path in (folder / "data" / FOLDER).iterdir()} == {0}
        finally:
            signing.terminate()
            assert signing.wait(HANG_S) == 0
