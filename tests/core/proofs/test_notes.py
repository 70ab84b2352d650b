"""Signed notes and checkpoints: one content has one text, and what was not signed by the key is refused."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.proofs.checkpoints import ArchivedCheckpoint, Checkpoint, ReceiptNote, encoded
from core.proofs.merkle import leaf_hash
from core.proofs.notes import NoteKey, NoteRefused, opened, signed

pytestmark = pytest.mark.fast

# RFC 8032, 7.1, TEST 1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PRIVATE = Ed25519PrivateKey.from_private_bytes(SEED)
KEY = NoteKey("counterfoil/test", PRIVATE.public_key().public_bytes_raw())
OTHER = NoteKey("counterfoil/test", Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw())
TEXT = "one line\nand another\n"
NOTE = signed(TEXT, KEY, PRIVATE.sign)
AT = datetime(2026, 11, 26, 12, 0, 5, tzinfo=UTC)
CHECKPOINT = Checkpoint("counterfoil/test", 3, 1234, leaf_hash(b"a"), AT, (leaf_hash(b"b"), leaf_hash(b"c")))
RECEIPTS = ReceiptNote("counterfoil/test", 3, AT, leaf_hash(b"b"))


def test_the_go_projects_own_note_is_read() -> None:
    """A note and a key that golang.org/x/mod/sumdb/note prints in its documentation verify here."""
    key = NoteKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    line = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    assert opened(f"{text}\n{line}\n", key) == text


def test_a_key_is_its_text() -> None:
    """What is printed for an auditor is read back as the same key."""
    assert NoteKey.parse(f"{KEY}\n") == KEY
    assert str(KEY).startswith("counterfoil/test+")


@pytest.mark.parametrize(
    "text",
    ["", "x", str(KEY)[:-4], str(KEY).replace("/test", "/Test"), "a b+00000000+AQ==", str(KEY).replace("+A", "+B")],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    """A key of another name, length or algorithm is none."""
    with pytest.raises(NoteRefused):
        NoteKey.parse(text)


def test_a_note_is_opened_with_its_key() -> None:
    """The text comes back; a second signature, of a witness, changes nothing."""
    assert opened(NOTE, KEY) == TEXT
    witness = Ed25519PrivateKey.from_private_bytes(bytes(32))
    line = signed(TEXT, NoteKey("witness", witness.public_key().public_bytes_raw()), witness.sign).splitlines()[-1]
    assert opened(f"{NOTE}{line}\n", KEY) == TEXT


@pytest.mark.parametrize(
    "forge",
    [
        lambda note: note.replace("another", "Another"),
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note[:-10] + "AAAAAAAA=\n",
        lambda note: note.replace("counterfoil/test", "counterfoil/tost"),
        lambda note: "",
        lambda note: TEXT,
        lambda note: "more\n" + note,
        lambda note: note.rstrip("\n"),
    ],
)
def test_a_note_that_was_changed_is_refused(forge: Callable[[str], str]) -> None:
    """Another text, signature, name or form is not what was signed."""
    with pytest.raises(NoteRefused):
        opened(forge(NOTE), KEY)


def test_a_note_of_another_key_is_refused() -> None:
    """The right name is not enough."""
    with pytest.raises(NoteRefused, match="is not signed by"):
        opened(NOTE, OTHER)


@pytest.mark.parametrize("content", [CHECKPOINT, RECEIPTS, Checkpoint("o", 1, 1, leaf_hash(b""), AT, ())])
def test_a_checkpoint_is_its_text(content: Checkpoint | ReceiptNote) -> None:
    """What is signed is read back whole."""
    assert type(content).parse(content.text()) == content


def test_a_checkpoint_is_what_other_tools_read() -> None:
    """The first three lines are origin, size and root, as C2SP's tlog-checkpoint has them."""
    assert CHECKPOINT.text().splitlines()[:3] == ["counterfoil/test", "1234", encoded(CHECKPOINT.root)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1234", "01234"),
        ("1234", "x"),
        ("number 3", "numbers 3"),
        ("12:00:05Z", "12:00:05"),
        ("receipts ", ""),
        ("=", ""),
    ],
)
def test_what_is_no_checkpoint_is_refused(old: str, new: str) -> None:
    """Another spelling is not what was signed."""
    assert old in CHECKPOINT.text()
    with pytest.raises(NoteRefused):
        Checkpoint.parse(CHECKPOINT.text().replace(old, new, 1))


def test_a_note_for_clients_is_no_checkpoint() -> None:
    """Neither of the two can be taken for the other."""
    with pytest.raises(NoteRefused):
        Checkpoint.parse(RECEIPTS.text())
    with pytest.raises(NoteRefused):
        ReceiptNote.parse(CHECKPOINT.text())


def test_an_archived_checkpoint_is_its_bytes() -> None:
    """The same checkpoint is always the same file."""
    kept = ArchivedCheckpoint(3, NOTE, (NOTE,), (encoded(leaf_hash(b"x")),))
    assert ArchivedCheckpoint.decode(kept.encode()) == kept
    assert kept.encode() == kept.encode()
    with pytest.raises(NoteRefused):
        ArchivedCheckpoint.decode(b"{}")
