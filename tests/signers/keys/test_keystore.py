"""The keystore opens with its passphrase and unchanged, or not at all, and gives away nothing (I13)."""

import json
import pickle
import traceback
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.tron.address import Address
from signers.keys.keys import KeyNotHeld, SoftwareKey
from signers.keys.keystore import (
    DEPOSIT_SEED,
    FILE_BYTES_MAX,
    GAS,
    HOT,
    Keystore,
    KeystoreDamaged,
    KeystoreUnusable,
    WrongPassphrase,
)

pytestmark = pytest.mark.fast

PASSPHRASE = "correct horse battery staple"
SECRETS = {HOT: bytes([1]) * 32, DEPOSIT_SEED: bytes(range(64))}
HOT_ADDRESS = Address.from_base58("TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7")
CHEAP_N = 2**4
"""scrypt as fast as it goes: the tests are about the file, not about the cost."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Keystore.create(tmp_path / "keystore.json", PASSPHRASE, SECRETS, scrypt_n=CHEAP_N)
    return tmp_path / "keystore.json"


def test_what_was_stored_comes_back(path: Path) -> None:
    """An opened keystore signs with the keys it was made with."""
    keystore = Keystore.open(path, PASSPHRASE)
    digest = sha256(b"digest").digest()
    assert keystore.names == [DEPOSIT_SEED, HOT]
    assert keystore.key("keystore:hot").address == HOT_ADDRESS
    assert keystore.key("keystore:hot").sign_digest(digest) == SoftwareKey(SECRETS[HOT]).sign_digest(digest)


def test_deposit_keys_are_derived_from_the_seed(path: Path) -> None:
    """A derived key's id is its path, and each index has an address of its own."""
    keystore = Keystore.open(path, PASSPHRASE)
    addresses = [keystore.key(f"derived:m/44'/195'/0'/0/{index}").address for index in range(20)]
    assert len(set(addresses)) == 20
    assert addresses[7] == Keystore.open(path, PASSPHRASE).key("derived:m/44'/195'/0'/0/7").address


@pytest.mark.parametrize(
    "key_id",
    [
        "keystore:gas",
        "keystore:deposit_seed",
        "keystore:",
        "hot",
        "",
        "kms:hot",
        "derived:m/44'/195'/0'/0",
        "derived:m/44'/60'/0'/0/7",
        "derived:m/44'/195'/0'/0/x",
        "derived:m/44'/195'/0'/0/2147483648",
    ],
)
def test_an_id_of_no_key_is_refused(path: Path, key_id: str) -> None:
    """An id that names no key held here is refused; the seed is no key."""
    with pytest.raises(KeyNotHeld, match="key"):
        Keystore.open(path, PASSPHRASE).key(key_id)


def test_a_real_keystore_is_expensive_to_guess(tmp_path: Path) -> None:
    """By default each guess at the passphrase costs scrypt with n = 2^17, r = 8, p = 1."""
    path = tmp_path / "keystore.json"
    Keystore.create(path, PASSPHRASE, SECRETS)
    kdf = json.loads(path.read_text())["header"]["kdf"]
    assert (kdf["n"], kdf["r"], kdf["p"]) == (2**17, 8, 1)
    assert Keystore.open(path, PASSPHRASE).key("keystore:hot").address == HOT_ADDRESS


@pytest.mark.parametrize("passphrase", ["", "correct horse battery stapl", PASSPHRASE + " ", PASSPHRASE.upper()])
def test_a_wrong_passphrase_is_one_clear_error(path: Path, passphrase: str) -> None:
    """A passphrase that is not the keystore's is refused in one sentence that says so."""
    with pytest.raises(WrongPassphrase, match="the passphrase"):
        Keystore.open(path, passphrase)


def test_a_passphrase_is_its_characters_not_its_bytes(tmp_path: Path) -> None:
    """A passphrase typed with composed or with combining characters opens the same keystore."""
    path = tmp_path / "keystore.json"
    Keystore.create(path, "caf\u00e9", SECRETS, scrypt_n=CHEAP_N)
    assert Keystore.open(path, "cafe\u0301").names == [DEPOSIT_SEED, HOT]


def test_every_byte_of_the_file_counts(path: Path) -> None:
    """Whichever byte of the file is changed, dropped or added, it is told as damage and not opened."""
    text = path.read_bytes()
    for at in range(len(text)):
        for changed in (
            text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :],
            text[:at] + bytes([text[at] ^ 32]) + text[at + 1 :],
            text[:at] + text[at + 1 :],
            text[:at] + b" " + text[at:],
        ):
            path.write_bytes(changed)
            with pytest.raises(KeystoreDamaged, match="damaged"):
                Keystore.open(path, PASSPHRASE)


def _set(section: str, name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(file: dict[str, Any]) -> None:
        (file["header"] if section == "header" else file["header"]["kdf"])[name] = value

    return change


def _flip(name: str) -> Callable[[dict[str, Any]], None]:
    def change(file: dict[str, Any]) -> None:
        file[name] = ("B" if file[name][0] == "A" else "A") + file[name][1:]

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("header", "names", ["deposit_seed", "gas"]),
        _set("header", "names", ["hot"]),
        _set("header", "version", 2),
        _set("header", "cipher", "none"),
        _set("kdf", "n", CHEAP_N * 2),
        _set("kdf", "n", CHEAP_N + 1),
        _set("kdf", "n", 2**40),
        _set("kdf", "r", 2**20),
        _set("kdf", "p", 0),
        _set("kdf", "salt", "AAAAAAAAAAAAAAAAAAAAAA=="),
        _set("kdf", "salt", ""),
        _flip("nonce"),
        _flip("ciphertext"),
    ],
)
def test_a_forged_checksum_does_not_help(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """A file changed on purpose, its checksum made to fit, is refused: the header is bound to the ciphertext."""
    file = json.loads(path.read_text())
    change(file)
    file["checksum"] = sha256(msgspec.json.encode([file["header"], file["nonce"], file["ciphertext"]])).hexdigest()
    path.write_bytes(msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n")
    with pytest.raises((WrongPassphrase, KeystoreDamaged)):
        Keystore.open(path, PASSPHRASE)


def test_the_forgers_checksum_is_the_files_own(path: Path) -> None:
    """The checksum that the forgery test computes is the one an unchanged file has."""
    file = json.loads(path.read_text())
    checksum = sha256(msgspec.json.encode([file["header"], file["nonce"], file["ciphertext"]])).hexdigest()
    assert checksum == file["checksum"]


def test_a_key_is_added(path: Path) -> None:
    """An added key is there when the file is opened again, beside the others, under a new nonce."""
    before = json.loads(path.read_text())["nonce"]
    keystore = Keystore.open(path, PASSPHRASE)
    keystore.add(GAS, bytes([2]) * 32)
    again = Keystore.open(path, PASSPHRASE)
    assert keystore.names == again.names == [DEPOSIT_SEED, GAS, HOT]
    assert again.key("keystore:gas").address == SoftwareKey(bytes([2]) * 32).address
    assert again.key("keystore:hot").address == HOT_ADDRESS
    assert json.loads(path.read_text())["nonce"] != before


def test_keys_are_never_overwritten(path: Path) -> None:
    """Neither a new keystore nor an added key replaces what is there."""
    text = path.read_bytes()
    with pytest.raises(KeystoreUnusable, match="never overwritten"):
        Keystore.create(path, PASSPHRASE, SECRETS, scrypt_n=CHEAP_N)
    with pytest.raises(KeystoreUnusable, match="already holds hot"):
        Keystore.open(path, PASSPHRASE).add(HOT, bytes([2]) * 32)
    assert path.read_bytes() == text


def test_a_file_changed_by_another_is_not_overwritten(path: Path) -> None:
    """Of two openers that add a key, the second is told to open the keystore again, and the first's key stays."""
    first, second = Keystore.open(path, PASSPHRASE), Keystore.open(path, PASSPHRASE)
    first.add(GAS, bytes([2]) * 32)
    with pytest.raises(KeystoreUnusable, match="open it again"):
        second.add("cold", bytes([3]) * 32)
    assert Keystore.open(path, PASSPHRASE).names == [DEPOSIT_SEED, GAS, HOT]


def test_a_write_that_fails_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk fails before the rename, the keystore is as it was and no temporary file stays."""
    keystore, text = Keystore.open(path, PASSPHRASE), path.read_bytes()

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("signers.keys.keystore.os.fsync", fail)
    with pytest.raises(KeystoreUnusable, match="No space left"):
        keystore.add(GAS, bytes([2]) * 32)
    assert path.read_bytes() == text
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert keystore.names == [DEPOSIT_SEED, HOT]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    """A keystore that another user could read or write is refused, with the command that closes it."""
    path.chmod(mode)
    with pytest.raises(KeystoreUnusable, match="run chmod 600"):
        Keystore.open(path, PASSPHRASE)


def test_the_file_is_its_owners_alone(path: Path) -> None:
    """The file has mode 0600 when made and after a key is added."""
    assert path.stat().st_mode & 0o777 == 0o600
    Keystore.open(path, PASSPHRASE).add(GAS, bytes([2]) * 32)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_missing_or_foreign_file_is_a_sentence(tmp_path: Path) -> None:
    """A file that is missing, of another kind, too large or in no folder is told as such."""
    other = tmp_path / "other"
    with pytest.raises(KeystoreUnusable, match="cannot be read: No such file"):
        Keystore.open(other, PASSPHRASE)
    with pytest.raises(KeystoreUnusable, match="cannot be written: No such file"):
        Keystore.create(tmp_path / "nowhere" / "keystore.json", PASSPHRASE, SECRETS, scrypt_n=CHEAP_N)
    for text in (b"", b"{}", b"\xff", b"x" * (FILE_BYTES_MAX + 1)):
        other.write_bytes(text)
        other.chmod(0o600)
        with pytest.raises(KeystoreDamaged, match="is no keystore"):
            Keystore.open(other, PASSPHRASE)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        (HOT, bytes(32)),
        (HOT, b"\xff" * 32),
        (HOT, bytes([1]) * 31),
        (DEPOSIT_SEED, bytes(15)),
        (DEPOSIT_SEED, bytes(65)),
        ("Hot", bytes([1]) * 32),
        ("hot:1", bytes([1]) * 32),
        ("", bytes([1]) * 32),
    ],
)
def test_what_is_no_secret_is_not_stored(tmp_path: Path, name: str, secret: bytes) -> None:
    """A key outside the curve, a seed of the wrong length or an unfit name is refused and nothing is written."""
    with pytest.raises(KeystoreUnusable):
        Keystore.create(tmp_path / "keystore.json", PASSPHRASE, {name: secret}, scrypt_n=CHEAP_N)
    assert list(tmp_path.iterdir()) == []


def test_no_secret_is_shown(path: Path) -> None:
    """No secret and no passphrase stands in the file, a repr, a pickle or any error with its traceback."""
    keystore = Keystore.open(path, PASSPHRASE)
    shown = [path.read_text(), repr(keystore), str(keystore), repr(keystore.key("keystore:hot"))]
    failures: list[tuple[type[Exception], Callable[[], object]]] = [
        (WrongPassphrase, lambda: Keystore.open(path, PASSPHRASE + "x")),
        (KeyNotHeld, lambda: keystore.key("keystore:nothing")),
        (KeystoreUnusable, lambda: keystore.add("bad", b"\xff" * 32)),
        (TypeError, lambda: pickle.dumps(keystore)),
    ]
    for kind, failure in failures:
        with pytest.raises(kind) as error:
            failure()
        shown += traceback.format_exception(error.value)
    secrets: list[str | bytes] = [PASSPHRASE, b"\xff" * 32, *SECRETS.values()]
    for secret in secrets:
        spellings = (
            [secret] if isinstance(secret, str) else [secret.hex(), repr(secret), msgspec.json.encode(secret).decode()]
        )
        assert not any(spelling in text for spelling in spellings for text in shown)
