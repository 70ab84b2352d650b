"""What a write's answer carries for who sends `Prefer: receipt`: of each event of the caller's own, its position and the
hash of its entry. The proof comes with the next checkpoint, at GET /v1/receipts/{position}.
"""

import json
from collections.abc import Iterator
from typing import Final

from core.ledger.events import encode
from core.proofs.receipts import entries_of
from gateways.http.endpoint import Call

PREFERRED: Final = b"receipt"
EVENTS_MAX: Final = 16


def promises(call: Call) -> Iterator[tuple[bytes, bytes]]:
    """One header Counterfoil-Receipt an event. A repetition has written nothing, and carries none."""
    for recorded in call.written[:EVENTS_MAX]:
        topic, state = encode(recorded.event)
        for entry in entries_of(recorded.position, recorded.stream, recorded.version, topic, json.loads(state)):
            if entry.account_id == call.account_id:
                promised = f"position={call.shown(recorded.position)}; entry={entry.hash.hex()}"
                yield b"counterfoil-receipt", promised.encode()
