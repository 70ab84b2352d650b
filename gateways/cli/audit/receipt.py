"""`counterfoil receipt verify`: a client's receipt, checked offline."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from gateways.cli.console import Json, Output, shown_time

app = App(name="receipt", help="Check a client's receipt, offline")


@app.command(name="verify")
def _verify_receipt(
    file: Annotated[Path, Parameter(help="A receipt as GET /v1/receipts/{position} answers it")],
    /,
    *,
    key: Annotated[
        list[str], Parameter(help="The key that signs checkpoints, as the operator gave it to you; several if replaced")
    ],
    json: Json = False,
) -> bool:
    """Check a client's receipt offline: the entry, its path, the signature. Exit 1 with the reason if it proves nothing."""
    return verify_receipt(file, key, Output(as_json=json))


def verify_receipt(file: Path, keys: Sequence[str], out: Output) -> bool:
    """Print what the receipt proves, or why it proves nothing. Raises NoteRefused for a key that is none."""
    import msgspec

    from core.proofs.merkle import ProofRefused
    from core.proofs.notes import NoteKey, NoteRefused
    from core.proofs.receipts import Receipt, check

    trusted = [NoteKey.parse(key) for key in keys]
    refused: Exception = NoteRefused("no key was given")
    try:
        receipt = msgspec.json.decode(file.read_bytes(), type=Receipt)
        for key in trusted:
            try:
                note = check(receipt, key)
            except NoteRefused as error:
                refused = error
            else:
                facts = {"origin": note.origin, "made_at": note.made_at, "checkpoint": note.number}
                out.show(
                    {"holds": True, **facts, "entry": receipt.entry},
                    f"signed by {note.origin} at {shown_time(note.made_at)}, checkpoint {note.number}:",
                    receipt.entry,
                )
                return True
    except (ProofRefused, msgspec.DecodeError) as error:
        refused = error
    out.show({"holds": False, "reason": str(refused)}, f"this proves nothing: {refused}")
    return False
