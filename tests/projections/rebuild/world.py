"""Steps of a rebuild, and what stands in the database."""

import psycopg

from projections.rebuild import rebuild as rebuilding
from projections.views import VIEWS
from tests.support.patience import until
from tests.support.postgres import Database
from tests.support.rebuilding import rows

ALL = list(VIEWS.values())
BALANCES = VIEWS["balances"]


def finish(rebuild: rebuilding.Rebuild) -> None:
    """Step until there is nothing to do now."""
    while rebuild.step():
        pass


def until_done(database: Database, rebuild: rebuilding.Rebuild) -> None:
    """Step until nothing is unfinished: what a dead process worked on is free once the server has seen its end."""
    until(lambda: not rebuild.step() and not any(row.unfinished for row in rows(database, ALL).values()))


def tables_in(database: Database, schema: str) -> list[str]:
    with psycopg.connect(database.owner_url) as conn:
        found = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", (schema,))
        return [name for (name,) in found]
