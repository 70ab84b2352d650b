"""`counterfoil receipt verify`: a client's receipt, checked offline."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from rich.console import Console

from core.proofs.merkle import ProofRefused
from core.proofs.notes import NoteKey, NoteRefused
from core.proofs.receipts import Receipt, check
from gateways.cli.console import console

app = App(name="receipt", help="Check what a client holds")


@app.command(name="verify")
def _verify_receipt(
    file: Annotated[Path, Parameter(help="A receipt as GET /v1/receipts/{position} answers it")],
    *,
    key: Annotated[list[str], Parameter(help="The key that signs checkpoints, as the operator gave it to you")],
) -> None:
    """Check a client's receipt offline: the entry, its path, the signature. Exit 1 with the reason if it proves nothing."""
    sys.exit(0 if verify_receipt(file, key, console) else 1)


def verify_receipt(file: Path, keys: Sequence[str], console: Console) -> bool:
    """Print what the receipt proves, or why it proves nothing."""
    try:
        receipt = msgspec.json.decode(file.read_bytes(), type=Receipt)
        refused: Exception = NoteRefused("no key was given")
        for key in keys:
            try:
                note = check(receipt, NoteKey.parse(key))
            except NoteRefused as error:
                refused = error
            else:
                console.print(
                    f"signed by {note.origin} at {note.made_at:%Y-%m-%d %H:%M:%S} UTC, checkpoint {note.number}:"
                )
                console.print(receipt.entry, soft_wrap=True)
                return True
    except (ProofRefused, msgspec.DecodeError) as error:
        refused = error
    console.print(f"this proves nothing: {refused}", soft_wrap=True)
    return False
