"""What guards a secret is strong wherever it stands: generators, hashes, ciphers and certificates, read from the source."""

import ast
import base64
from pathlib import Path

import pytest

from gateways.http.auth import new_key
from tests.test_house_rules import ROOT, SOURCES

pytestmark = pytest.mark.fast

GUARDING = [path for path in SOURCES if path.relative_to(ROOT).parts[:2] != ("gateways", "devnet")]
"""All but the devnet, whose chain has no secret of anybody's."""
WEAK = {"md5", "sha1", "ECB", "CBC", "CTR", "OFB", "CFB", "ARC4", "TripleDES", "PKCS1v15", "CERT_NONE"}
ALLOWED = {
    "core/ledger/journal.py": {"sha1"},  # the ids of RFC 9562, version 5, which guard nothing
    "gateways/http/reading/positions.py": {"ECB"},  # one block, distinct by what it holds: a mode has nothing to add
}
"""Where one of them stands all the same, and why."""
JITTER = {"uniform", "SystemRandom"}
"""What may be asked of `random`: how long to wait, and the operating system's own generator."""


def weak(tree: ast.AST) -> set[str]:
    """Everything in a source that is too weak to guard a secret."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="random"), attr=name) if name not in JITTER:
                found.add(f"random.{name}")
            case ast.ImportFrom(module="random"):
                found.add("from random")
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in WEAK:
                found.add(name)
            case ast.alias(name=name) if name in WEAK:
                found.add(name)
            case ast.keyword(arg="verify" | "check_hostname" as name, value=ast.Constant(value=False)):
                found.add(f"{name}=False")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "random.randbytes(32)",
        "from random import choice",
        "hashlib.md5(x)",
        "from hashlib import sha1",
        "modes.CBC(iv)",
        "httpx.Client(verify=False)",
        "context.verify_mode = ssl.CERT_NONE",
    ],
)
def test_what_is_weak_is_seen(source: str) -> None:
    """Each kind is found in a source that has it."""
    assert len(weak(ast.parse(source))) == 1


@pytest.mark.parametrize("path", GUARDING, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_weak_guards_a_secret(path: Path) -> None:
    """No generator that can be guessed, no broken hash, no weak mode or padding, no certificate that is not looked at."""
    assert weak(ast.parse(path.read_text(encoding="utf-8"))) == ALLOWED.get(str(path.relative_to(ROOT)), set())


def test_an_api_key_is_256_random_bits() -> None:
    """Behind its prefix, drawn anew each time."""
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(base64.urlsafe_b64decode(key.removeprefix("cf_live_") + "=")) for key in keys} == {32}
