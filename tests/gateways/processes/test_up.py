"""`counterfoil up`: what must be there before it says that it is up, and what becomes of secrets in its environment."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.ports.scanning import Cursor
from core.ports.wallets import ReadyAddress
from gateways.embedded.secrets_file import load_or_create
from gateways.platform_keys import SecretWithheld
from gateways.postgres.address_door import PostgresAddressDoor
from gateways.postgres.address_pool import PostgresAddressPool
from gateways.postgres.connections import Connections
from gateways.postgres.cursors import PostgresCursors
from gateways.processes import up
from gateways.processes.confinement.apart import Stopped, apart
from gateways.processes.confinement.given import NOTHING, secrets_in
from gateways.processes.confinement.shares import fetch
from gateways.processes.registry import PROCESSES
from gateways.settings import load
from gateways.user_error import UserError
from tests.support.history import ALICE_ADDRESS
from tests.support.patience import HANG_S
from tests.support.postgres import Database


def test_it_is_up_when_there_is_an_address_to_give_out(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks first for a deposit address gets one, and what is sent there is seen; later starts wait for nothing."""
    connections = Connections(database.owner_url)
    pool, looks = PostgresAddressPool(connections), []

    def third_look_finds(_: float) -> None:
        looks.append(None)
        if len(looks) == 2:
            PostgresAddressDoor(connections).open()
        if len(looks) == 3:
            pool.add([ReadyAddress(ALICE_ADDRESS.base58, ALICE_ADDRESS.hex(), "key")])
        if len(looks) == 5:
            PostgresCursors(connections).save("solid", Cursor(7, "the first block that is read"))

    monkeypatch.setattr(up.time, "sleep", third_look_finds)
    assert up.wait_for_begin(database.reader_url)
    assert len(looks) == 5
    assert pool.take() is not None
    assert up.wait_for_begin(database.reader_url)
    assert len(looks) == 5
    connections.close()


def test_work_apart_is_answered_or_fails_as_if_it_were_here() -> None:
    """What it returns, what it raises, and what it changes stays its own; a stop ends it."""
    told: list[int] = []
    assert apart(lambda: told.append(1) or os.getpid()) != os.getpid()
    assert told == []

    def fails() -> None:
        raise UserError("say this")

    with pytest.raises(UserError, match="say this"):
        apart(fails)
    with pytest.raises(RuntimeError, match="without a word"):
        apart(lambda: os._exit(1))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        apart(lambda: threading.Event().wait(HANG_S), stop)


_BEGINS_ANEW = """
import json, os
from gateways.processes.confinement.given import take
given = take()
print(json.dumps([sorted(given.names), given.read(), [name for name in os.environ if "COUNTERFOIL" in name]]))
"""


def test_secrets_leave_the_environment_before_anything_is_done(tmp_path: Path) -> None:
    """They are read from a descriptor by who needs them; a passphrase in a file is read once, and what is no secret stays."""
    (tmp_path / "passphrase").write_text("from a file\nand no more")
    secret = {"COUNTERFOIL_TRON_API_KEY": "k", "COUNTERFOIL_KEYSTORE_PASSPHRASE_FILE": str(tmp_path / "passphrase")}
    environment = os.environ | secret | {"COUNTERFOIL_NETWORK": "nile"}
    done = subprocess.run(
        [sys.executable, "-c", _BEGINS_ANEW],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_S,
    )
    names, held, left = json.loads(done.stdout)
    assert names == ["keystore_passphrase", "tron_api_key"]
    assert held == {"keystore_passphrase": "from a file", "tron_api_key": "k"}
    assert left == ["COUNTERFOIL_NETWORK"]


@pytest.mark.fast
def test_an_environment_without_secrets_begins_nothing_anew() -> None:
    """An empty one counts as none."""
    assert secrets_in({"COUNTERFOIL_NETWORK": "nile", "COUNTERFOIL_TRON_API_KEY": "", "HOME": "/"}) == {}


def test_a_process_has_its_share_and_no_more(database: Database, tmp_path: Path) -> None:
    """Keys and logins that are not its own are withheld: to ask for one is a defect, and no empty key is used."""
    settings = load({}, data=tmp_path, database_url=database.owner_url)
    kept = load_or_create(tmp_path / "secrets.json")
    share = fetch(PROCESSES["record"], settings, NOTHING, None)
    assert share.secrets.deposit_fact_keys() == (bytes.fromhex(kept.deposit_fact_key),)
    assert share.logins.keys() == {"counterfoil_recorder"}
    assert share.settings == {}
    for key in ("webhook_master", "api_key_pepper", "position_key"):
        with pytest.raises(SecretWithheld, match=key):
            getattr(share.secrets, key)
    assert kept.deposit_fact_key not in repr((share, share.secrets))
    assert (
        fetch(PROCESSES["payouts"], settings, NOTHING, None).settings["keystore_passphrase"] == kept.keystore_passphrase
    )
