"""The rights of each database login, read from Postgres' catalogue, are those that the table for people says (I14)."""

import psycopg
import pytest

from gateways.postgres.roles import LOGINS
from tests.documents.rights import CALLS, OWN, RIGHTS, VIEW_TABLES
from tests.support.postgres import Database

# A grant with row level security behind it, and no policy for the role, is none.
_VERBS = """
WITH verbs (verb, command) AS (VALUES ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd')),
roles AS (SELECT oid, rolname AS role FROM pg_roles WHERE rolname = ANY(%(roles)s))
SELECT c.relname AS name, role, verb, has_table_privilege(r.oid, c.oid, verb) AS whole,
       (SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
           AND verb <> 'DELETE' AND has_column_privilege(r.oid, c.oid, attnum, replace(verb, 'DELETE', 'SELECT'))) AS columns
  FROM pg_class c, roles r, verbs v
 WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
   AND (NOT c.relrowsecurity OR EXISTS (
        SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd IN ('*', v.command)
           AND (p.polroles = '{0}' OR r.oid = ANY(p.polroles))))
"""
_MORE = """
SELECT c.relname, r.role, verb FROM pg_class c, unnest(%s::text[]) AS r (role),
       unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS verb
 WHERE c.relnamespace IN ('public'::regnamespace, 'building'::regnamespace, 'retired'::regnamespace)
   AND c.relkind IN ('r', 'v', 'm', 'p', 'f') AND has_table_privilege(role, c.oid, verb)
UNION ALL
SELECT c.relname, role, 'sequence' FROM pg_class c, unnest(%s::text[]) AS r (role),
       unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) AS verb
 WHERE c.relkind = 'S' AND has_sequence_privilege(role, c.oid, verb)
UNION ALL
SELECT nspname, role, 'schema' FROM pg_namespace n, unnest(%s::text[]) AS r (role)
 WHERE has_schema_privilege(role, n.oid, 'CREATE')
"""
_CALLS = """
SELECT proname, role FROM pg_proc p, unnest(%s::text[]) AS r (role)
 WHERE pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname NOT IN ('pg_catalog', 'information_schema'))
   AND has_function_privilege(role, p.oid, 'EXECUTE')
"""
_ALL = frozenset({"*"})


def rights_of(conn: psycopg.Connection, schema: str) -> dict[tuple[str, str, str], frozenset[str]]:
    """(table, role, verb) -> the columns, * for all of them; of an UPDATE also whether the table as a whole may be locked."""
    found = {}
    for name, role, verb, whole, columns in conn.execute(_VERBS, {"roles": list(LOGINS), "schema": schema}):
        if whole or columns:
            found[name, role, verb] = _ALL if whole or verb != "UPDATE" else frozenset(columns)
    return found


def declared() -> dict[tuple[str, str, str], frozenset[str]]:
    """The same, as the table for people has it."""
    found = {}
    for name, may in RIGHTS.items():
        for verb, roles in (("SELECT", may.reads), ("INSERT", may.adds), ("DELETE", may.removes)):
            found |= {(name, role, verb): _ALL for role in roles}
        found |= {(name, role, "UPDATE"): frozenset(columns.split()) for role, columns in may.changes.items()}
    return found


@pytest.mark.fast
def test_every_table_of_a_view_is_the_projectors() -> None:
    """No table is a view's and another's as well."""
    assert OWN.keys().isdisjoint(VIEW_TABLES)


def test_each_login_may_do_what_the_table_says_and_no_more(database: Database) -> None:
    """Role by role, table by table, verb by verb, column by column; no sequence, no schema, nothing that truncates."""
    with psycopg.connect(database.owner_url) as conn:
        found, said = rights_of(conn, "public"), declared()
        assert {each: found[each] for each in found if said.get(each) != found[each]} == {}
        assert sorted(said.keys() - found.keys()) == []
        assert conn.execute(_MORE, ([*LOGINS],) * 3).fetchall() == []
        tables = conn.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
        )
        assert {name for (name,) in tables} == RIGHTS.keys()


def test_each_login_may_call_what_the_table_says_and_no_more(database: Database) -> None:
    """Functions of ours: those of triggers nobody calls."""
    with psycopg.connect(database.owner_url) as conn:
        found = set(conn.execute(_CALLS, ([*LOGINS],)).fetchall())
    assert found == {(name, role) for name, roles in CALLS.items() for role in roles}


def test_a_right_that_nobody_declared_is_missed(database: Database) -> None:
    """A grant, a policy and a function that a migration might add are each found."""
    with psycopg.connect(database.owner_url) as conn:
        before = rights_of(conn, "public"), set(conn.execute(_CALLS, ([*LOGINS],)).fetchall())
        conn.execute("GRANT UPDATE (name) ON api_keys TO counterfoil_api")
        conn.execute("CREATE POLICY more ON chain_cursors FOR UPDATE TO counterfoil_signer USING (true)")
        conn.execute("CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        after = rights_of(conn, "public"), set(conn.execute(_CALLS, ([*LOGINS],)).fetchall())
    assert {name for name, *_ in after[0].keys() | before[0].keys() if before[0] != after[0]} >= {
        "api_keys",
        "chain_cursors",
    }
    assert after[0]["api_keys", "counterfoil_api", "UPDATE"] > before[0]["api_keys", "counterfoil_api", "UPDATE"]
    assert ("chain_cursors", "counterfoil_signer", "UPDATE") in after[0].keys() - before[0].keys()
    assert {name for name, _ in after[1] - before[1]} == {"mine"}


def test_a_new_version_of_a_view_has_the_rights_of_the_one_that_serves(database: Database) -> None:
    """What is being built, and what waits for a rollback, is written by the projector alone."""
    with psycopg.connect(database.owner_url) as conn:
        for view in conn.execute("SELECT DISTINCT view FROM view_tables").fetchall():
            conn.execute("SELECT begin_version(%s)", view)
        serving, built = rights_of(conn, "public"), rights_of(conn, "building")
    assert built == {each: columns for each, columns in serving.items() if each[0] in VIEW_TABLES}
