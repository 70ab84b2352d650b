"""What each process of a running `counterfoil up` has in its memory, environment, command line and open files (I13, I17)."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
import pytest

from gateways.embedded.secrets_file import SecretsFile
from gateways.postgres.roles import LOGINS
from gateways.private_file import write_private
from gateways.processes.registry import PROCESSES
from signers.keys.keystore import DEPOSIT_SEED, GAS, HOT, Keystore
from tests.documents import holders
from tests.journeys.conftest import Installation, get, post
from tests.support.patience import until

MARK: Final = b"canary-"
"""How every secret of this installation begins, so that a look into a memory searches for few words."""
GIVEN: Final = {
    "keystore_passphrase": "canary-passphrase-7f3a",
    "operator_api_key": "canary-operator-key-which-is-long-enough-91c2",
    "tron_api_key": "canary-node-key-55d0",
}
PLATFORM_KEYS: Final = ("api_key_pepper", "position_key", "webhook_master", "deposit_fact_key")
WALLETS: Final = {name: MARK + name.encode().rjust(25, b".") for name in (HOT, GAS, DEPOSIT_SEED)}
SUPERUSER: Final = "canary-superuser-0be1"
UP: Final = "up"
PAYEE: Final = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"


def interpreter() -> str:
    """This Python, or, where it lies in root's home, the same one elsewhere, which other users may run."""
    own, other = os.path.realpath(sys.executable), f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    hidden = Path(own).is_relative_to(Path("~root").expanduser())
    return other if hidden and Path(other).exists() else sys.executable


def made(data: Path) -> None:
    """The files of a first start, with secrets that are easy to find."""
    data.mkdir()
    keys = {name: (MARK + name.encode().rjust(25, b".")).hex() for name in PLATFORM_KEYS}
    passwords = {role: f"canary-{role}" for role in LOGINS}
    kept = SecretsFile(
        **keys, role_passwords=passwords, operator_api_key="canary-unused", keystore_passphrase="canary-of-devnets"
    )
    write_private(data / "secrets.json", msgspec.json.encode(kept))
    write_private(data / "superuser.password", SUPERUSER.encode())
    Keystore.create(data / "keystore.json", GIVEN["keystore_passphrase"], WALLETS, scrypt_n=2**12)


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    """With an account, a key, a deposit and a payout: everybody has worked."""
    if os.geteuid() != 0 or not Path("/proc/self/mem").exists():
        pytest.skip("only root reads another process' memory, and only where there is /proc")
    with (
        tempfile.TemporaryDirectory(prefix="cf-held-") as folder,
        contextlib.ExitStack() as stack,
    ):
        Path(folder).chmod(0o755)
        made(Path(folder) / "data")
        installation = stack.enter_context(
            Installation(Path(folder) / "data", python=interpreter(), checkpoint_interval_s="1", **GIVEN)
        )
        installation.faucet(installation.hot_wallet(), usdt="100", trx="100")
        with installation.company(webhook_url="https://acme.example/hook") as acme:
            address = post(acme, "/v1/payins", {})["address"]["tron_address_base58"]
            installation.faucet(address, usdt="10")
            until(lambda: get(acme, "/v1/deposits", status="confirmed")["data"], "a deposit is credited")
            payout = post(acme, "/v1/payouts", {"to_address": PAYEE, "amount": "5"})
            path, since = f"/v1/payouts/{payout['id']}", payout["position"]
            until(lambda: get(acme, path, min_position=since)["state"] == "confirmed", "the payout is paid")
            until(
                lambda: "restarted" if _is_restarted(installation) else "", "a process that was killed is there again"
            )
        yield installation


def _is_restarted(installation: Installation) -> bool:
    """The recorder was ended once: whoever is started again holds no more than before."""
    pid = installation.child("record")
    if pid is None:
        return False
    if not (installation.data / "killed").exists():
        (installation.data / "killed").write_text(str(pid))
        os.kill(pid, 9)
    return pid != int((installation.data / "killed").read_text())


@pytest.fixture(scope="module")
def pids(running: Installation) -> Mapping[str, int]:
    """Every process of ours by its name: the children, and what supervises them."""
    found = {name: running.child(name) for name in (*PROCESSES, "devnet")}
    assert None not in found.values(), found
    return {name: pid for name, pid in found.items() if pid is not None} | {UP: running.pid}


def canaries(data: Path) -> Mapping[str, list[bytes]]:
    """Every secret, in the forms that it may have in a memory; by its name in the table of holders."""
    found: dict[str, list[bytes]] = {holders.setting(name): [value.encode()] for name, value in GIVEN.items()}
    found |= {holders.platform_key(key): _forms(MARK + key.encode().rjust(25, b".")) for key in PLATFORM_KEYS}
    found |= {holders.login(role): [f"canary-{role}".encode()] for role in LOGINS}
    found[holders.SUPERUSER] = [SUPERUSER.encode()]
    found[holders.KEYSTORE] = [form for key in WALLETS.values() for form in _forms(key)]
    found["DATA/checkpoints.key"] = [(data / "checkpoints.key").read_bytes().strip().rpartition(b"+")[2]]
    return found


def _forms(key: bytes) -> list[bytes]:
    return [key, key.hex().encode()]


def memory(pid: int) -> Iterator[bytes]:
    """Every part of a process' memory that it may have written, and that is there."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as mem:
        for part in re.finditer(
            r"^([0-9a-f]+)-([0-9a-f]+) rw.*\n(?:\w+: .*\n)*?Rss: +([0-9]+) kB",
            Path(f"/proc/{pid}/smaps").read_text(),
            re.MULTILINE,
        ):
            start, end = int(part[1], 16), int(part[2], 16)
            if part[3] == "0":
                continue
            try:
                mem.seek(start)
                yield mem.read(end - start)
            except (OSError, ValueError):  # it was given back meanwhile, or is no memory
                continue


def seen(pid: int, secrets: Mapping[str, list[bytes]]) -> set[str]:
    """Which secrets are anywhere in a process."""
    found: set[str] = set()
    begins = MARK, MARK.hex().encode(), *(form for form in secrets["DATA/checkpoints.key"])
    fixed = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("environ", "cmdline")]
    for part in (*fixed, *memory(pid)):
        if any(begin in part for begin in begins):
            found |= {name for name, forms in secrets.items() if any(form in part for form in forms)}
    return found


def test_each_process_holds_its_own_secrets_and_no_others(running: Installation, pids: Mapping[str, int]) -> None:
    """In no process is a secret that the table of holders does not give it; and what gives work to a secret does hold it."""
    table, secrets = holders.holders(), canaries(running.data)
    assert secrets.keys() | {holders.setting("database_url"), "DATA/statements.key"} == table.keys()
    held = {name: seen(pid, secrets) for name, pid in pids.items()}
    held["devnet"].discard("COUNTERFOIL_TRON_API_KEY")  # a node is sent it with every question
    too_much = {(name, secret) for name, found in held.items() for secret in found if name not in table[secret]}
    assert too_much == set()
    used = {
        "api": {
            "COUNTERFOIL_OPERATOR_API_KEY",
            holders.platform_key("api_key_pepper"),
            "the password of the database login api",
        },
        "payouts": {"COUNTERFOIL_KEYSTORE_PASSPHRASE", holders.KEYSTORE},
        "observe": {holders.platform_key("deposit_fact_key"), "COUNTERFOIL_TRON_API_KEY"},
        "webhooks": {holders.platform_key("webhook_master")},
    }
    assert {name: its - held[name] for name, its in used.items() if its - held[name]} == {}


def test_no_process_keeps_a_file_with_secrets_open(running: Installation, pids: Mapping[str, int]) -> None:
    """Neither a file of DATA that holds some, nor, but for what supervises them all, what `up` was given."""
    private = {
        str(running.data / name) for name in ("secrets.json", "keystore.json", "superuser.password", "checkpoints.key")
    }
    for name, pid in pids.items():
        opened = set()
        for file in Path(f"/proc/{pid}/fd").iterdir():
            try:
                opened.add(os.readlink(file))
            except FileNotFoundError:
                continue
        assert not opened & private, name
        assert name == UP or not [each for each in opened if "memfd:given" in each], name


def test_no_process_leaves_its_memory_to_others(running: Installation, pids: Mapping[str, int]) -> None:
    """None writes a core, none is read by another process of its user, and its log is its owner's alone."""
    for name, pid in pids.items():
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits), name
        if "Uid:\t0\t" not in Path(f"/proc/{pid}/status").read_text():  # of root's own processes nothing shows it
            assert Path(f"/proc/{pid}/environ").stat().st_uid == 0, name
    modes = {file.name: file.stat().st_mode & 0o777 for file in (running.data / "logs").iterdir()}
    assert modes == dict.fromkeys(modes, 0o600)
    assert modes.keys() >= {f"{name}.log" for name in PROCESSES}


def test_as_root_each_kind_of_process_is_a_user_of_its_own(running: Installation, pids: Mapping[str, int]) -> None:
    """Processes of one login are one user, no two logins are, none is root, and keys belong to those who sign with them."""
    if "all processes run as root" in "".join(running.output):
        pytest.skip("this Python can be run by root alone")
    users = {
        name: Path(f"/proc/{pid}/status").read_text().partition("Uid:")[2].split()[:4] for name, pid in pids.items()
    }
    assert users.pop(UP) == ["0"] * 4
    assert all(len(set(ids)) == 1 for ids in users.values())
    by_role: dict[str, set[str]] = {}
    for name, ids in users.items():
        by_role.setdefault(PROCESSES[name].role if name in PROCESSES else name, set()).update(ids)
    assert all(len(ids) == 1 for ids in by_role.values())
    assert len({next(iter(ids)) for ids in by_role.values()} - {"0"}) == len(by_role)
    for name, process in {
        "keys": "payouts",
        "keys/keystore.json": "payouts",
        "keys/high-water.json": "payouts",
        "checkpoints.key": "checkpoints",
        "statements.key": "api",
    }.items():
        found = (running.data / name).stat()
        assert (str(found.st_uid), found.st_mode & 0o777) == (users[process][0], 0o700 if name == "keys" else 0o600), (
            name
        )
    assert (running.data / "secrets.json").stat().st_uid == 0
