"""Who a session is, and what the server has against a login: one login a process, and nobody between (I14, FAILURES 69)."""

import re
from typing import Any, Final

import psycopg

from gateways.postgres.connections import SESSION, Login, conninfo_of
from gateways.postgres.roles import LOGINS
from gateways.user_error import UserError

PREFIX: Final = "counterfoil_"
_ITSELF: Final = (
    "SELECT current_user::text AS role, session_user::text AS login, pg_backend_pid() AS pid,"
    " current_setting('search_path') AS path"
)
_NOT_NOW: Final = re.compile(
    r"starting up|shutting down|recovery mode|not yet accepting|too many (clients|connections)|connection slots|terminating|"
    r"connection limit"
)
"""What a server that is there says while it lets nobody in, or not one more."""
_NO_PARAMETER: Final = "unsupported startup parameter"
POOLER: Final = (
    "a connection pooler stands before the database (pgbouncer says so): it shares sessions, and drops or refuses what each of"
    " ours depends on, in its session mode too. Name the server itself in COUNTERFOIL_DATABASE_URL; connections are pooled here"
)


class WrongLogin(UserError):
    """A session is not who it must be; the message says who it is, and what to do."""


class PoolerBetween(UserError):
    """Something between shares sessions or changes them."""


def must_be_itself(login: Login, role: str) -> None:
    """Connect once. Raises WrongLogin unless the session is this role's, PoolerBetween, and what psycopg raises."""
    with psycopg.connect(conninfo_of(login), autocommit=True) as conn:
        refuse_pooler(conn)
        found: Any = conn.execute(_ITSELF).fetchone()
        if found[0] != role:
            raise WrongLogin(
                f"the login of {role} is {found[0]} after connecting: name it in {setting_of(role)}, or let"
                " `counterfoil migrate --print-logins` make one for each process"
            )


def refuse_pooler(conn: psycopg.Connection[Any]) -> None:
    """Raises PoolerBetween where another session answers than the one that was begun, or what was said at its start is lost."""
    found: Any = conn.execute(_ITSELF).fetchone()
    asked = f"search_path={SESSION['search_path']}" in conn.info.options
    if found[2] != conn.info.backend_pid or (asked and found[3].replace(" ", "") != SESSION["search_path"]):
        raise PoolerBetween(POOLER)


def setting_of(role: str) -> str:
    """The setting with a role's own address."""
    return (
        f"COUNTERFOIL_DATABASE_URL_{role.removeprefix(PREFIX).upper()}"
        if role in LOGINS
        else "COUNTERFOIL_DATABASE_URL"
    )


def refusal_of(error: psycopg.Error) -> str | None:
    """What a server that answers has against this login or what it asks for; None where it does not answer, or not now."""
    said = " ".join(str(error).split())
    if _NO_PARAMETER in said:
        return POOLER
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"the database's login lacks a right: {said}. See /docs/operate, a database of your own"
    _, fatal, why = said.partition("FATAL: ")
    if isinstance(error, psycopg.OperationalError) and fatal and not _NOT_NOW.search(why):
        return f"the database refuses this login: {why.strip()}; check COUNTERFOIL_DATABASE_URL"
    return None
