"""What the command line does for an auditor: prove the database, hand out keys, export."""

from collections.abc import Sequence

import psycopg
from rich.console import Console

from core.notes import NoteKey
from gateways.checkpoint_archive import open_archive
from gateways.embedded.connections import Connections
from gateways.operations import print_checks, progress, visiting
from gateways.platform import open_platform
from gateways.roles import READER
from gateways.settings import Settings
from projections.history_tree import GROW_EVENTS_MAX, HistoryTree
from projections.reconcile import reconcile
from projections.verify import published_keys, verify


def verify_database(settings: Settings, keys: Sequence[str], console: Console) -> bool:
    """Print every check with its differences -> whether all hold. Everything but the chain, which reconcile asks."""
    trusted = [NoteKey.parse(key) for key in keys]
    with (
        visiting(settings) as database,
        open_platform(settings, READER, database) as platform,
        psycopg.connect(platform.reader_url) as conn,
        progress(console) as bar,
    ):
        task = bar.add_task("replaying", total=None)
        replayed = reconcile(conn, None, lambda at, of: bar.update(task, completed=at, total=of))
        if not trusted:
            trusted = published_keys(conn)
            conn.rollback()
            console.print("the keys are the database's own: give --key to be sure who signed")
        task = bar.add_task("hashing", total=None)
        proven = verify(
            conn, trusted, open_archive(settings).contents(), lambda at, of: bar.update(task, completed=at, total=of)
        )
    print_checks([*replayed.checks, *proven], console)
    ok = all(check.ok for check in (*replayed.checks, *proven))
    console.print(f"{replayed.position} events; " + ("everything holds" if ok else "something does not hold"))
    return ok


def print_keys(settings: Settings, console: Console) -> None:
    """One line a key: what it signs, and the key itself."""
    with visiting(settings) as database, psycopg.connect(database.role_urls[READER]) as conn:
        rows = conn.execute("SELECT purpose, key FROM note_keys ORDER BY purpose, since").fetchall()
    for purpose, key in rows:
        console.print(f"{purpose:<12} {key}", soft_wrap=True)
    if not rows:
        console.print("no key has signed yet: the process `checkpoints` makes one when it starts")


def regrow_tree(settings: Settings, console: Console) -> None:
    """As the owner: no running process may forget a tile."""
    with visiting(settings) as database, progress(console) as bar:
        login = Connections(database.owner_url)
        try:
            tree = HistoryTree(login.transaction)
            tree.forget()
            task = bar.add_task("hashing", total=None)
            grown = GROW_EVENTS_MAX
            while grown == GROW_EVENTS_MAX:
                grown = tree.grow()
                bar.update(task, advance=grown)
            console.print(f"the tree holds {tree.size} events")
        finally:
            login.close()
