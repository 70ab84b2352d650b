"""The platform's keys in a file: made once, for its owner only, and the same for everybody who asks."""

import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from gateways.embedded.secrets_file import SecretsFile, load_or_create, rotate
from gateways.postgres.migrate import ROLES
from gateways.postgres.roles import CHECKPOINTER
from gateways.private_file import DamagedFile, UnsafeFile, write_private
from tests.support.patience import HANG_S

pytestmark = pytest.mark.fast


def test_keys_are_made_once(tmp_path: Path) -> None:
    """The first start makes 32-byte keys that all differ; later starts read the same ones. The file is private."""
    path = tmp_path / "data" / "secrets.json"
    made = load_or_create(path)
    assert load_or_create(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keys = [made.keys.api_key_pepper, made.keys.position_key, made.keys.webhook_master, made.keys.deposit_fact_key]
    assert [len(key) for key in keys] == [32] * 4
    assert len({*keys}) == 4
    assert made.role_passwords
    assert set(made.role_passwords) <= set(ROLES)
    assert len(set(made.role_passwords.values())) == len(made.role_passwords)
    assert len(made.operator_api_key) >= 32
    assert [each.name for each in path.parent.iterdir()] == ["secrets.json"]


def test_creators_at_once_agree(tmp_path: Path) -> None:
    """Eight processes that start together all have the keys that are in the file."""
    path = tmp_path / "secrets.json"
    barrier = threading.Barrier(8)
    found: list[SecretsFile] = []

    def create() -> None:
        barrier.wait(HANG_S)
        found.append(load_or_create(path))

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_S)
    assert found == [load_or_create(path)] * 8
    assert [each.name for each in tmp_path.iterdir()] == ["secrets.json"]


def test_a_file_from_before_a_role_existed_gets_its_password(tmp_path: Path) -> None:
    """Eight processes of a newer version that start together all find the same new password, and every old key as it was."""
    path = tmp_path / "secrets.json"
    made = load_or_create(path)
    kept = {role: word for role, word in made.role_passwords.items() if role != CHECKPOINTER}
    path.unlink()
    write_private(path, msgspec.json.encode(msgspec.structs.replace(made, role_passwords=kept)))
    barrier = threading.Barrier(8)
    found: list[SecretsFile] = []

    def start() -> None:
        barrier.wait(HANG_S)
        found.append(load_or_create(path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_S)
    assert found == [load_or_create(path)] * 8
    assert found[0].role_passwords == kept | {CHECKPOINTER: found[0].role_passwords[CHECKPOINTER]}
    assert found[0].keys.position_key == made.keys.position_key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """Any right of group or others stops the start with the command that mends it."""
    path = tmp_path / "secrets.json"
    load_or_create(path)
    path.chmod(mode)
    with pytest.raises(UnsafeFile, match="chmod 600"):
        load_or_create(path)


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", "short key", "no hex"])
def test_a_damaged_file_is_never_replaced(tmp_path: Path, damage: str) -> None:
    """Keys that cannot be read are not made anew, since new ones open nothing; the message quotes none of them."""
    path = tmp_path / "secrets.json"
    load_or_create(path)
    fields = msgspec.json.decode(path.read_bytes())
    secret = fields["position_key"]
    fields["position_key"] = {"short key": secret[2:], "no hex": "x" * 64}.get(damage, secret)
    path.write_bytes(msgspec.json.encode(fields) if "key" in damage or "hex" in damage else damage.encode())
    content = path.read_bytes()
    with pytest.raises(DamagedFile, match="backup") as caught:
        load_or_create(path)
    assert secret[2:] not in str(caught.value)
    assert path.read_bytes() == content


def test_secrets_show_nowhere(tmp_path: Path) -> None:
    """Neither the file's value nor its keys are printed (I13)."""
    made = load_or_create(tmp_path / "secrets.json")
    shown = f"{made!r} {made} {made.keys!r} {made.keys}"
    secrets = [made.position_key, made.operator_api_key, made.keystore_passphrase, repr(made.keys.position_key)]
    assert not any(secret in shown for secret in secrets)


def test_the_first_of_two_writers_wins(tmp_path: Path) -> None:
    """A private file that exists is left as it is."""
    path = tmp_path / "file"
    write_private(path, b"first")
    write_private(path, b"second")
    assert path.read_bytes() == b"first"


def test_what_a_key_was_before_counts_for_its_overlap(tmp_path: Path) -> None:
    """The webhook master for a day; what was replaced before it, no more. The pepper until it is replaced again."""
    path = tmp_path / "secrets.json"
    first = load_or_create(path).keys
    now = datetime.now(UTC)
    rotate(path, "webhook_master", now)
    second = load_or_create(path).keys
    assert list(second.webhook_masters()) == [second.webhook_master, first.webhook_master]
    assert second.webhook_master != first.webhook_master
    rotate(path, "webhook_master", now - timedelta(hours=25))
    third = load_or_create(path).keys
    assert list(third.webhook_masters()) == [third.webhook_master]
    assert third.deposit_fact_keys() == (first.deposit_fact_key,)
    rotate(path, "api_key_pepper", now - timedelta(days=1_000))
    fourth = load_or_create(path).keys
    assert list(fourth.api_key_peppers()) == [fourth.api_key_pepper, first.api_key_pepper]
    assert "hidden" in repr(fourth.before)
    assert path.stat().st_mode & 0o077 == 0
