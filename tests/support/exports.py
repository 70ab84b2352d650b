"""A history under checkpoints, its export, and the stand-alone verifier run over it."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg

from core.ledger.history import SetAside, read
from core.ledger.ledger import Ledger
from gateways.postgres.event_store import PostgresEventStore
from projections.audit.export import export
from projections.engine.tracking import ViewTracking
from tests.support.checkpoints import Desk, HandClock
from tests.support.history import ALICE, USDT, append_events, execute, fund
from tests.support.patience import HANG_S
from tests.support.postgres import Database
from tests.support.views import project

VERIFIER: Final = Path(__file__).parents[2] / "schema" / "verify.py"
SIZES = (120, 220, 310)
HEAD = 320
TAIL_S: Final = 60
MADE_AT: Final = HandClock().now + timedelta(hours=len(SIZES), seconds=TAIL_S)
"""A minute after the last checkpoint, by the desk's own clock."""


@contextmanager
def signed_history(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, folder: Path
) -> Iterator[Desk]:
    """A history of 320 events under three checkpoints: at 120, 220 and 310; the last ten are not covered yet."""
    made = Desk(database, folder / "archive")
    append_events(ledger, SIZES[0])
    made.sign_now()
    for count in (SIZES[1] - SIZES[0], SIZES[2] - SIZES[1]):
        execute(ledger, *(fund(ALICE, USDT, f"{count} {number}") for number in range(count)))
        made.sign_now()
    execute(ledger, *(fund(ALICE, USDT, f"last {number}") for number in range(HEAD - SIZES[2])))
    made.checkpoints._tree.grow()
    project(store, tracking)
    yield made
    made.login.close()


@cache
def verifier() -> Any:
    """The verifier as a module, for its parts."""
    spec = importlib.util.spec_from_file_location("standalone_verifier", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def impossible_stories(rows: Iterable[tuple[int, str, int, str, bytes]]) -> list[str]:
    """What the verifier's reader of books has to say of a whole history (position, stream, version, topic, state)."""
    books = verifier().Books(None)
    for position, stream, version, topic, state in rows:
        if isinstance(read(stream, topic, state), SetAside):
            books.on_set_aside({"position": position, "reason": "it cannot be read", "views": []})
        known = f'{{"kind":"event","position":{position},"stream":{json.dumps(stream)},"version":{version}'
        head = f'{known},"topic":{json.dumps(topic)},"hash":"{"0" * 64}","state":'
        books.event(position, head.encode() + state + b"}\n")
    told = [f"position {at}: {sentence}" for wrong in books.findings.checks.values() for at, sentence in wrong]
    return told + [f"{topic.decode()} is not known" for topic in books.unknown]


def exported(database: Database, made_at: datetime = MADE_AT) -> list[bytes]:
    """The export's lines."""
    with psycopg.connect(database.reader_url) as conn:
        return list(export(conn, made_at))


class Verdict:
    """What the verifier said: `wrong` has the findings by check, each with its position."""

    def __init__(self, exit_code: int, told: dict[str, Any]) -> None:
        self.exit_code = exit_code
        self.notes: list[str] = told["notes"]
        self.sentence: str = told["verdict"]
        self.wrong: dict[str, list[tuple[int, str]]] = {
            check: [(finding["position"], finding["wrong"]) for finding in found]
            for check, found in told["checks"].items()
            if found
        }

    def __repr__(self) -> str:
        return f"Verdict({self.exit_code}, {self.wrong})"


def verdict(
    lines: Sequence[bytes],
    folder: Path,
    desk: Desk | None = None,
    *more: str,
    archive: bool = True,
    tail_s: int | None = TAIL_S,
) -> Verdict:
    """Write the lines to a file and let the verifier look, in a Python that has nothing of ours."""
    path = folder / "export.ndjson"
    path.write_bytes(b"".join(lines))
    arguments = [sys.executable, "-I", str(VERIFIER), "history", str(path), "--json", *more]
    arguments += [] if tail_s is None else ["--unsigned-tail", str(tail_s)]
    if desk is not None:
        arguments += ["--key", str(desk.signer.key)]
        arguments += ["--archive", str(desk.archive.folder)] if archive else []
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=HANG_S, check=False, cwd=folder)
    assert done.returncode in (0, 1), done.stderr
    return Verdict(done.returncode, json.loads(done.stdout))
