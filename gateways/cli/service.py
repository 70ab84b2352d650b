"""`counterfoil up`, `run`, `devnet`, `migrate`, `census`, `health`, `config` and `openapi`: the installation as a whole."""

import json as json_module
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import psycopg
from cyclopts import Parameter
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from gateways.cli.acts import note_command
from gateways.cli.console import Data, console, settings_with
from gateways.postgres import migrate as migrations
from gateways.postgres.connections import conninfo_of
from gateways.postgres.roles import READER
from gateways.processes.registry import PROCESSES
from gateways.settings import PREFIX, Settings
from gateways.wiring.opened import visiting
from projections.rebuild import census as stored


def up(
    *,
    data: Data = None,
    network: Literal["devnet", "nile", "mainnet"] | None = None,
    http_port: int | None = None,
    devnet_port: int = 8090,
    block_ms: int = 3000,
) -> None:
    """Every process on this machine until Ctrl-C; state survives a restart."""
    from gateways.processes.up import run

    given = settings_with(data=data, network=network, http_port=http_port)
    run(given, console, devnet_port=devnet_port, block_ms=block_ms)


def run(name: Annotated[str, Parameter(name="PROCESS")], *, data: Data = None) -> None:
    from gateways.processes.run import run_process

    run_process(name, settings_with(data=data))


def _every_process() -> str:
    lines = [
        f"* `{process.name}`: {process.summary} Needs {', '.join(process.needs)}." for process in PROCESSES.values()
    ]
    return "One process, in the foreground, until SIGTERM.\n\n" + "\n".join(lines)


run.__doc__ = _every_process()


def devnet(*, port: int = 8090, block_ms: int = 3000, data: Path | None = None) -> None:
    """A Tron node of our own on loopback."""
    from gateways.devnet.server import serve

    serve(port, block_ms, data)


def migrate(*, data: Data = None) -> None:
    """Bring the database to this version; safe to run twice and at once from many machines."""
    applied = migrate_database(settings_with(data=data))
    console.print("\n".join(f"applied {name}" for name in applied) or "the database is up to date")


def census(*, data: Data = None) -> None:
    """Which events are stored, by type and version, and how each is read. Exit 1 when one cannot be."""
    sys.exit(0 if show_census(settings_with(data=data), console) else 1)


def health() -> None:
    """Whether the processes that show themselves in COUNTERFOIL_PULSE go on; exit 1 and each that does not."""
    from gateways.processes.health import look_after

    said = look_after(settings_with().pulse)
    console.print("\n".join(said) or "all go on")
    sys.exit(1 if said else 0)


def config() -> None:
    """Every setting, its value (secrets hidden), where it comes from, and what it is."""
    table = Table("setting", "value", "source", "what it is", box=None, pad_edge=False)
    for cells in describesettings_with(settings_with()):
        table.add_row(*cells)
    console.print(table)


def openapi() -> None:
    """Print the OpenAPI document."""
    from gateways.http.docs.openapi import document

    print(json_module.dumps(document(), indent=2))  # noqa: T201  the document is the output


def migrate_database(settings: Settings) -> list[str]:
    """-> the migrations applied now. On AWS the queues come first: the database's version is what lets processes start."""
    if settings.mode == "aws":
        from gateways.aws.queue_sizes import widen
        from gateways.aws.session import Aws

        widen(Aws(settings))
    with visiting(settings) as database:
        applied = migrations.migrate(conninfo_of(database.owner_url), database.passwords())
        if applied:
            note_command(settings, "database.migrated", database, applied=applied)
        return applied


def describesettings_with(settings: Settings) -> Iterator[tuple[str, str, str, str]]:
    """(name, value, source, sentence) of every setting; a secret shows only whether it is set."""
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            shown = "********" if value.get_secret_value() else "(not set)"
        else:
            shown = str(value) if str(value) not in ("", ".") else "(not set)"
        variable = PREFIX + name.upper()
        source = "environment" if variable in os.environ else "default"
        yield variable, shown, source, field.description or ""


def show_census(settings: Settings, console: Console) -> bool:
    """Print a line for each type and version of event that is stored -> whether all can be read."""
    with visiting(settings) as database, psycopg.connect(database.url(READER)) as conn:
        counted = stored.census(conn)
    table = Table("topic", "events", "first", "last", "read", box=None, pad_edge=False)
    for each in counted:
        how = (
            "CANNOT BE READ"
            if each.read_as is None
            else "as it is"
            if each.read_as == each.topic
            else f"as {each.read_as}"
        )
        table.add_row(each.topic, str(each.events), str(each.first), str(each.last), how)
    console.print(table)
    total, strange = sum(each.events for each in counted), sum(each.read_as is None for each in counted)
    console.print(
        f"{total} events of {len(counted)} kinds; "
        + (f"{strange} kinds cannot be read" if strange else "all can be read")
    )
    return not strange
