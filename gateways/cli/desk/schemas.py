"""`counterfoil schemas`: what `rebuild --into` has filled for somebody to look at, and its end."""

from typing import Annotated, Any, Final

import psycopg
from cyclopts import App, Parameter
from psycopg import sql

from gateways.cli.acts import note_command
from gateways.cli.console import Data, Json, Output, Table, number
from gateways.cli.installation import opened_database, settings_with
from gateways.cli.rebuild import SCRATCH
from gateways.postgres.connections import conninfo_of
from gateways.postgres.roles import OWNER
from gateways.settings import Settings
from gateways.user_error import UserError
from projections.named import rows

_SCHEMAS: Final = """
    SELECT n.nspname AS schema, substr(obj_description(n.oid), length(%(scratch)s) + 1)::bigint AS "position",
           count(c.oid) AS tables, coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS bytes
      FROM pg_namespace AS n LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relkind = 'r'
     WHERE starts_with(obj_description(n.oid), %(scratch)s) GROUP BY n.oid, n.nspname ORDER BY n.nspname
"""


def show_schemas(settings: Settings, out: Output) -> None:
    """Each with the position it shows, and how much room it takes."""
    with opened_database(settings) as database, psycopg.connect(conninfo_of(database.owner_url)) as conn:
        found = _found(conn)
    lines = [(it.schema, it.position, it.tables, f"{it.bytes // 1024:,}") for it in found]
    table = Table(("schema", number("position"), number("tables"), number("KiB")), lines)
    nothing = "there is none: `counterfoil rebuild --into NAME` fills one"
    out.show({"data": [it._asdict() for it in found]}, table if lines else nothing)


def drop(settings: Settings, name: str, out: Output) -> None:
    """With all that is in it. Raises UserError for a schema that no rebuild has made to look at."""
    with (
        opened_database(settings) as database,
        psycopg.connect(conninfo_of(database.owner_url), autocommit=True) as conn,
    ):
        if name not in [it.schema for it in _found(conn)]:
            raise UserError(
                f"{name} is no schema that `rebuild --into` has filled: `counterfoil schemas list` shows those"
            )
        conn.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER)))
        conn.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
        note_command(settings, "projection.scratch-dropped", database, schema=name)
    out.show({"schema": name, "dropped": True}, f"the schema {name} is gone")


def _found(conn: psycopg.Connection) -> list[Any]:
    return rows(conn, _SCHEMAS, {"scratch": SCRATCH}).fetchall()


app = App(name="schemas", help="What `rebuild --into` has filled for somebody to look at: list, drop")


@app.command(name="list")
def _list(*, json: Json = False, data: Data = None) -> None:
    """Every such schema, the position it shows, and how much room it takes."""
    show_schemas(settings_with(data=data), Output(as_json=json))


@app.command(name="drop")
def _drop(
    schema: Annotated[str, Parameter(help="As `counterfoil schemas list` names it")],
    /,
    *,
    json: Json = False,
    data: Data = None,
) -> None:
    """Drop one, with all that is in it. What serves is in none of them."""
    drop(settings_with(data=data), schema, Output(as_json=json))
