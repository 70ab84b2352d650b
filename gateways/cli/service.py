"""`counterfoil up`, `devnet`, `migrate`, `census`, `health`, `config` and `openapi`: the installation as a whole.

What each needs is imported when it is called: they have nothing in common but that they have no verbs.
"""

import os
from collections.abc import Set
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter, validators
from pydantic import SecretStr

from gateways import settings as settings_module
from gateways.cli.console import Data, Json, Output, Table, number, text
from gateways.cli.installation import found_settings, opened_database, settings_with
from gateways.processes.running import FILE
from gateways.settings import PREFIX, Settings
from gateways.user_error import UserError

Port = validators.Number(gte=0, lte=65535)
BlockMs = Annotated[int, Parameter(help="Milliseconds between two blocks", validator=validators.Number(gte=1))]


def up(
    *,
    data: Data = None,
    network: Annotated[
        Literal["devnet", "nile", "mainnet"] | None,
        Parameter(help="Which Tron network; default: COUNTERFOIL_NETWORK, else devnet, which is started too"),
    ] = None,
    http_port: Annotated[
        int | None,
        Parameter(help="The API's port; 0: a free one; default: COUNTERFOIL_HTTP_PORT, else 8080", validator=Port),
    ] = None,
    devnet_port: Annotated[int, Parameter(help="The devnet's port; 0: a free one", validator=Port)] = 8090,
    devnet_grpc_port: Annotated[
        int | None,
        Parameter(help="Where the devnet serves gRPC too, and blocks are read; 0: a free port", validator=Port),
    ] = None,
    block_ms: BlockMs = 3000,
    without_signers: Annotated[
        bool, Parameter(help="The signers run elsewhere: DATA/signers is left for their --signers-of", negative="")
    ] = False,
    signers_of: Annotated[
        Path | None,
        Parameter(help="Only the signers, of the installation that left this folder, with the keystore in --data"),
    ] = None,
) -> None:
    """Every process on this machine until Ctrl-C; state survives a restart.

    Prints the API's URL, the operator's key and the devnet's URL. Commands that are started beside it with the same
    --data find its database and its node by themselves.
    """
    from gateways.processes import signers_apart
    from gateways.processes.confinement.given import take
    from gateways.processes.start.told import told_at_start
    from gateways.processes.up import run

    own = _own_settings(data=data, network=network, http_port=http_port)
    given = take()  # which begins anew, with settings that have no secrets, where the environment had some
    with told_at_start():
        if signers_of is not None:
            signers_apart.run(own, signers_of, Output().say, given)
            return
        run(
            own,
            Output().say,
            devnet_port=devnet_port,
            devnet_grpc_port=devnet_grpc_port,
            block_ms=block_ms,
            given=given,
            signs=not without_signers,
        )


def devnet(
    *,
    port: Annotated[int, Parameter(help="Where it listens, on 127.0.0.1; 0: a free one", validator=Port)] = 8090,
    block_ms: BlockMs = 3000,
    data: Annotated[Path | None, Parameter(help="A folder that keeps its chain; without it, nothing is kept")] = None,
    grpc_port: Annotated[
        int | None,
        Parameter(help="Where it serves gRPC too, head and solid blocks at one port; 0: a free one", validator=Port),
    ] = None,
) -> None:
    """A Tron node of our own on loopback, with funded accounts and a USDT contract."""
    from gateways.devnet.server import serve

    serve(port, block_ms, data, grpc_port=grpc_port)


def migrate(
    *,
    print_logins: Annotated[
        bool,
        Parameter(
            help="Give each process a login of its own, and print their settings; they hold passwords", negative=""
        ),
    ] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Bring the database to this version; safe to run twice and at once from many machines."""
    settings, out = settings_with(data=data), Output(as_json=json)
    applied, logins = migrate_database(settings, with_logins=print_logins)
    said = "\n".join(f"applied {name}" for name in applied) or "the database is up to date"
    if settings.is_lone:
        from gateways.cli.chain.scan import pin_at_first

        pin_at_first(settings, out)
    if not print_logins:
        out.show({"applied": applied}, said)
        return
    out.note(said)  # standard output has the logins alone, for a file that only its owner reads
    out.show({"applied": applied, "logins": logins}, *(f"{name}={url}" for name, url in logins.items()))


def census(*, json: Json = False, data: Data = None) -> bool:
    """Which events are stored, by type and version, and how each is read. Exit 1 when one cannot be."""
    return show_census(settings_with(data=data), Output(as_json=json))


def health(*, json: Json = False, data: Data = None) -> bool:
    """Whether the processes that leave a sign of life in COUNTERFOIL_PULSE are alive; exit 1 and each that is not.

    Those of a `counterfoil up` are found by its folder. Who waits for something outside is named, and is alive: starting
    it again would end no outage.
    """
    from gateways.telemetry.life_signs import look_after

    pulse = settings_with(data=data).pulse
    said, dead = look_after(pulse), look_after(pulse, waiting=False)
    Output(as_json=json).show({"alive": not dead, "problems": said}, "\n".join(said) or "all processes are alive")
    return not dead


def config(*, json: Json = False, data: Data = None) -> None:
    """Every setting, its value (secrets hidden), where it comes from, and what it is.

    A value comes from the command line, the environment, the `counterfoil up` that runs in the same folder, or it is
    the default.
    """
    settings, running = found_settings(data=data)
    given: Set[str] = frozenset() if data is None else frozenset({"data"})
    show_settings(settings, running, given, Output(as_json=json))


def openapi() -> None:
    """Print the OpenAPI document."""
    import json

    from gateways.http.docs.openapi import document

    print(json.dumps(document(), indent=2))  # noqa: T201  the document is the output


def _own_settings(**given: Any) -> Settings:
    """Of a process that looks for no other one: what it is given, and the environment's."""
    return settings_module.load(**{name: value for name, value in given.items() if value is not None})


def migrate_database(settings: Settings, *, with_logins: bool = False) -> tuple[list[str], dict[str, str]]:
    """-> the migrations applied now, and each login's setting if they were asked for.

    On AWS the queues come first: the database's version is what lets processes start. Raises UserError.
    """
    from gateways.cli.acts import note_command
    from gateways.embedded.secrets_file import load_or_create
    from gateways.postgres.connections import conninfo_of
    from gateways.postgres.migrate import migrate as apply
    from gateways.wiring.notes import open_signer
    from gateways.wiring.opened import visiting
    from gateways.wiring.own_database import is_own, logins_made, printed

    kept = None
    if with_logins and (settings.mode == "aws" or not is_own(settings)):
        raise UserError(
            "each process has a login of its own already: set COUNTERFOIL_DATABASE_URL for a database of yours"
        )
    if settings.mode == "aws":
        from gateways.aws.queue_sizes import widen
        from gateways.aws.session import Aws

        widen(Aws(settings))
    else:
        kept = load_or_create(settings.data / "secrets.json")
        if with_logins:
            kept = logins_made(settings)
        for purpose in ("statements", "checkpoints"):
            open_signer(settings, purpose)
    with visiting(settings, kept) as database:
        if not database.owner_url:
            raise UserError("migrations are the owner's: set COUNTERFOIL_DATABASE_URL")
        applied = apply(conninfo_of(database.owner_url), database.passwords())
        if applied:
            note_command(settings, "database.migrated", database, applied=applied)
        return applied, printed(database) if with_logins else {}


def show_census(settings: Settings, out: Output) -> bool:
    """Print a line for each type and version of event that is stored -> whether all can be read."""
    import psycopg

    from gateways.postgres.roles import READER
    from projections.rebuild.census import census as stored

    with opened_database(settings) as database, psycopg.connect(database.url(READER)) as conn:
        counted = stored(conn)
    total, strange = sum(each.events for each in counted), sum(each.read_as is None for each in counted)
    rows = [
        (
            each.topic,
            each.events,
            each.first,
            each.last,
            "CANNOT BE READ"
            if each.read_as is None
            else "as it is"
            if each.read_as == each.topic
            else f"as {each.read_as}",
        )
        for each in counted
    ]
    out.show(
        {"holds": not strange, "events": total, "data": [each._asdict() for each in counted]},
        Table(("topic", number("events"), number("first"), number("last"), "read"), rows),
        f"{total} events of {len(counted)} kinds; "
        + (f"{strange} kinds cannot be read" if strange else "all can be read"),
    )
    return not strange


def show_settings(settings: Settings, running: Set[str], given: Set[str], out: Output) -> None:
    """A secret shows only whether it is set (I13)."""
    facts = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            shown: str | None = "********" if value.get_secret_value() else None
        else:
            shown = str(value) if str(value) not in ("", ".") else None
        variable = PREFIX + name.upper()
        if name in given:
            source = "command line"
        elif variable in os.environ:
            source = "environment"
        else:
            source = FILE if name in running else "default"
        facts.append({"setting": variable, "value": shown, "source": source, "description": field.description or ""})
    rows = [(each["setting"], each["value"] or "(not set)", each["source"], each["description"]) for each in facts]
    out.show({"data": facts}, Table(("setting", "value", "source", text("what it is")), rows))
