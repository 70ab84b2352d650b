"""`counterfoil approvals`: the keys of those who approve payouts above the signer's limits."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from core.proofs.notes import is_name
from gateways.cli.console import Json, Output, pairs
from gateways.embedded.note_keys import load_or_create
from gateways.user_error import UserError


def make_key(name: str, file: Path, out: Output) -> None:
    """A fresh key in a file for its owner's eyes only. Raises UserError where the file exists, or the name is none."""
    if not is_name(name) or "," in name:
        raise UserError("a name has no spaces, commas or plus signs: ann, say")
    if file.exists():
        raise UserError(f"{file} exists: choose another file, a key is never written over")
    key = str(load_or_create(file, name).key)
    out.show(
        {"name": name, "file": str(file), "public_key": key},
        pairs([("key file", file), ("public key", key)]),
        "put the public key into COUNTERFOIL_SIGNER_APPROVERS of the process that signs payouts, with commas between several;"
        " the file stays with its owner",
    )


app = App(name="approvals", help="Make the key of somebody who may approve payouts above the signer's limits")


@app.command(name="keygen")
def _keygen(
    name: Annotated[str, Parameter(help="Who approves, as the signer's list and the history name them")],
    file: Annotated[Path, Parameter(help="Where the key is written, mode 0600")],
    /,
    *,
    json: Json = False,
) -> None:
    """A fresh Ed25519 key, and its public half for the signer's list."""
    make_key(name, file, Output(as_json=json))
