"""The keystore of a one-machine gateway: wallet keys and the deposit seed in one encrypted file, mode 0600.

    header      format, version, scrypt's parameters and salt, the names of the secrets   (readable, authenticated)
    ciphertext  AES-256-GCM over {name: secret}; the header's bytes are its associated data
    checksum    sha256 of the two, so that damage is told apart from a wrong passphrase

The file has one spelling: what does not encode back to the same bytes is damaged. It is opened in the signer process
only, and no secret shows in a repr or an error (I13).
"""

import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal, NoReturn

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from signers.keys.derivation import SEED_BYTES, DepositKeys, InvalidPath
from signers.keys.keys import Key, KeyNotHeld, SoftwareKey

HOT: Final = "hot"
GAS: Final = "gas"
DEPOSIT_SEED: Final = "deposit_seed"
SCRYPT_N: Final = 2**17
"""128 MiB and about half a second: OWASP's first choice for scrypt with r = 8, p = 1."""
SCRYPT_N_MAX: Final = 2**20
"""1 GiB. What a file asks for is bounded before it is believed; how little it asks for was its maker's choice."""
FILE_BYTES_MAX: Final = 64 * 1024
NONCE_BYTES: Final = 12
SALT_BYTES: Final = 16
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


class KeystoreUnusable(Exception):
    """The keystore cannot be used as it stands; the text says why and what to do."""


class WrongPassphrase(KeystoreUnusable):
    """The passphrase does not open the keystore."""


class KeystoreDamaged(KeystoreUnusable):
    """The file is no keystore, or not as it was written."""


class _Kdf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Literal["scrypt"]
    n: int
    r: int
    p: int
    salt: bytes


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal["counterfoil-keystore"]
    version: Literal[1]
    cipher: Literal["aes-256-gcm"]
    kdf: _Kdf
    names: list[str]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    header: _Header
    nonce: bytes
    ciphertext: bytes
    checksum: str

    @classmethod
    def seal(cls, secrets: Mapping[str, bytes], kdf: _Kdf, cipher: AESGCM) -> "_File":
        header = _Header("counterfoil-keystore", 1, "aes-256-gcm", kdf, sorted(secrets))
        nonce = os.urandom(NONCE_BYTES)
        plaintext = msgspec.json.encode({name: secrets[name] for name in header.names})
        ciphertext = cipher.encrypt(nonce, plaintext, msgspec.json.encode(header))
        return cls(header, nonce, ciphertext, _checksum(header, nonce, ciphertext))

    def text(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


class Keystore:
    """An opened keystore: it gives keys by id, `keystore:<name>` and `derived:<path>`; it shows names only."""

    def __init__(self, path: Path, file: _File, cipher: AESGCM, secrets: dict[str, bytes]) -> None:
        self.path: Final = path
        self._file = file
        self._cipher = cipher
        self._secrets = secrets
        self._deposits: dict[str, DepositKeys] = {}
        """By the name of the seed."""

    @classmethod
    def create(
        cls, path: Path, passphrase: str, secrets: Mapping[str, bytes], *, scrypt_n: int = SCRYPT_N
    ) -> "Keystore":
        """Write a new keystore. Raises KeystoreUnusable if the file exists: keys are never overwritten."""
        for name, secret in secrets.items():
            _check_secret(name, secret)
        kdf = _Kdf("scrypt", scrypt_n, 8, 1, os.urandom(SALT_BYTES))
        cipher = _cipher(passphrase, kdf)
        file = _File.seal(secrets, kdf, cipher)
        _write(path, file.text(), replace=False)
        return cls(path, file, cipher, dict(secrets))

    @classmethod
    def open(cls, path: Path, passphrase: str) -> "Keystore":
        """Decrypt. Raises WrongPassphrase, KeystoreDamaged, or KeystoreUnusable for a missing or readable file."""
        file = _parse(path, _read(path))
        cipher = _cipher(passphrase, file.header.kdf)
        try:
            plaintext = cipher.decrypt(file.nonce, file.ciphertext, msgspec.json.encode(file.header))
        except InvalidTag:
            raise WrongPassphrase(
                f"the passphrase does not open the keystore {path}: give the one it was made with"
            ) from None
        return cls(path, file, cipher, msgspec.json.decode(plaintext, type=dict[str, bytes]))

    def add(self, name: str, secret: bytes) -> None:
        """Add a secret; the file is written anew. Raises KeystoreUnusable for a name taken or a file changed since."""
        _check_secret(name, secret)
        if name in self._secrets:
            raise KeystoreUnusable(f"the keystore {self.path} already holds {name}: keys are never overwritten")
        with _locked(self.path):  # of two who add, the second must see what the first has written
            if self.was_changed():
                raise KeystoreUnusable(f"the keystore {self.path} was changed since it was opened: open it again")
            secrets = {**self._secrets, name: secret}
            file = _File.seal(secrets, self._file.header.kdf, self._cipher)
            _write(self.path, file.text(), replace=True)
        self._file, self._secrets = file, secrets

    def was_changed(self) -> bool:
        """Whether the file is another one than was opened or written here."""
        return _read(self.path) != self._file.text()

    @property
    def names(self) -> list[str]:
        return list(self._file.header.names)

    def key(self, key_id: str) -> Key:
        """`keystore:hot`, or `derived:m/44'/195'/0'/0/7` or `derived:2:m/…` of the second seed. Raises KeyNotHeld."""
        kind, _, name = key_id.partition(":")
        if kind == "keystore" and name in self._secrets and not name.startswith(DEPOSIT_SEED):
            return SoftwareKey(self._secrets[name])
        number, _, path = name.rpartition(":")
        seed = f"{DEPOSIT_SEED}_{number}" if number else DEPOSIT_SEED
        if kind == "derived" and seed in self._secrets:
            if seed not in self._deposits:
                self._deposits[seed] = DepositKeys(self._secrets[seed])
            try:
                return self._deposits[seed].key(path)
            except InvalidPath as error:
                raise KeyNotHeld(f"{key_id} is no key id: {error}") from error
        raise KeyNotHeld(f"the keystore {self.path} holds no key {key_id}; it holds {', '.join(self.names)}")

    def __repr__(self) -> str:
        return f"Keystore({self.path}: {', '.join(self.names)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a keystore is not pickled")


def _check_secret(name: str, secret: bytes) -> None:
    if not _NAME.fullmatch(name):
        raise KeystoreUnusable(f"{name!r} cannot name a secret: use lower-case letters, digits and underscores")
    if name.startswith(DEPOSIT_SEED):
        if len(secret) not in SEED_BYTES:
            raise KeystoreUnusable(f"a seed has 16 to 64 bytes, {name} has {len(secret)}")
        return
    try:
        SoftwareKey(secret)
    except ValueError as error:
        raise KeystoreUnusable(f"{name}: {error}") from None


def _cipher(passphrase: str, kdf: _Kdf) -> AESGCM:
    if not passphrase:
        raise WrongPassphrase("the passphrase is empty: set COUNTERFOIL_KEYSTORE_PASSPHRASE")
    # NFC: the same passphrase typed on two systems may differ in bytes
    password = unicodedata.normalize("NFC", passphrase).encode()
    return AESGCM(Scrypt(salt=kdf.salt, length=32, n=kdf.n, r=kdf.r, p=kdf.p).derive(password))


def _checksum(header: _Header, nonce: bytes, ciphertext: bytes) -> str:
    return hashlib.sha256(msgspec.json.encode([header, nonce, ciphertext])).hexdigest()


def _parse(path: Path, text: bytes) -> _File:
    try:
        file = msgspec.json.decode(text, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise KeystoreDamaged(f"{path} is no keystore, or it is damaged: restore it from its backup") from None
    kdf = file.header.kdf
    sane = 2 <= kdf.n <= SCRYPT_N_MAX and kdf.n & (kdf.n - 1) == 0 and (kdf.r, kdf.p) == (8, 1)
    sane = sane and (len(kdf.salt), len(file.nonce)) == (SALT_BYTES, NONCE_BYTES)
    if not sane or file.text() != text or file.checksum != _checksum(file.header, file.nonce, file.ciphertext):
        raise KeystoreDamaged(f"the keystore {path} is damaged: restore it from its backup")
    return file


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise KeystoreUnusable(f"the keystore {path} cannot be read: {error.strerror}") from error
    if os.name == "posix" and mode & 0o077:
        raise KeystoreUnusable(f"the keystore {path} is open to other users: run chmod 600 {path}")
    if len(text) > FILE_BYTES_MAX:
        raise KeystoreDamaged(f"{path} is no keystore: it is larger than {FILE_BYTES_MAX} bytes")
    return text


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """The folder's lock, held by whoever writes a keystore in it."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write(path: Path, text: bytes, *, replace: bool) -> None:
    """All or nothing, and durable: a temporary file (0600 from its first byte), fsync, rename, fsync of the folder."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(handle, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                os.replace(name, path)
            else:
                os.link(name, path)  # unlike rename, it fails where the file exists
        finally:
            Path(name).unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        raise KeystoreUnusable(f"the keystore {path} exists: keys are never overwritten, choose another path") from None
    except OSError as error:
        raise KeystoreUnusable(f"the keystore {path} cannot be written: {error.strerror}") from error
