"""A database of the operator's own: which login each process has there (I14, FAILURES 69).

In this order: the address that a role was given for itself, the login that `counterfoil migrate --print-logins` has made for
it, or the one login of DATABASE_URL, which becomes the role as soon as it is connected, and could become any other.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateways.embedded.secrets_file import SecretsFile, load, note_logins
from gateways.postgres.connections import Login
from gateways.postgres.database import Database
from gateways.postgres.logins import setting_of
from gateways.postgres.roles import LOGINS, WRITER
from gateways.settings import PREFIX, Settings
from gateways.user_error import UserError

SHORT: Final = {role: role.removeprefix("counterfoil_") for role in LOGINS}
SETTINGS: Final = {role: f"database_url_{short}" for role, short in SHORT.items()}
"""By role, the setting of its own address."""
ADDRESSES: Final = ("database_url", *SETTINGS.values())


def is_own(settings: Settings) -> bool:
    """Whether the operator has named a database; else one is started here."""
    return bool(settings.database_url.get_secret_value() or _given(settings))


def own_database(settings: Settings, secrets: SecretsFile | None = None) -> Database:
    """Raises UserError for an address that is none."""
    owner, given = settings.database_url.get_secret_value(), _given(settings)
    for name, url in {"database_url": owner, **{SETTINGS[role]: url for role, url in given.items()}}.items():
        _must_be_address(name, url)
    path = settings.data / "secrets.json"
    known = secrets or (load(path) if path.exists() else None)
    made = known.role_passwords if known is not None and owner and known.logins_at == place_of(owner) else {}
    roles: dict[str, Login] = {}
    for role in (*LOGINS, WRITER):
        if role in given:
            roles[role] = _as_role(given[role], role)
        elif role in made:
            roles[role] = make_conninfo(owner, user=role, password=made[role])
        elif owner:
            roles[role] = make_conninfo(owner, options=f"-c role={role}")
    passwords = {role: password for role, password in made.items() if role not in given}
    return Database(owner, RoleUrls(roles), None, lambda: passwords or None)


class RoleUrls(dict[str, Login]):
    """By role. Who asks for one that nobody has given is told which setting it takes."""

    def __missing__(self, role: str) -> Login:
        raise UserError(f"no login of {role} is known: set {setting_of(role)}, or COUNTERFOIL_DATABASE_URL")


SHARED: Final = (
    "every process logs in to the database as its owner, and only asks to be less: `counterfoil migrate --print-logins` gives"
    " each one a login of its own"
)


def is_shared(settings: Settings, roles: Mapping[str, Login]) -> bool:
    """Whether a process logs in as who owns everything, and whoever takes it over could become any other. Raises UserError
    on mainnet, where that may not be.
    """
    owner = settings.database_url.get_secret_value()
    if settings.mode == "aws" or not owner:
        return False
    user = conninfo_to_dict(owner).get("user")
    logins = [url for role, url in roles.items() if role in SETTINGS and isinstance(url, str)]
    shared = any(conninfo_to_dict(url).get("user") == user for url in logins)
    if shared and settings.network == "mainnet":
        raise UserError(SHARED)
    return shared


def logins_made(settings: Settings) -> SecretsFile:
    """Note that every role has a login of its own on this server: `migrate` gives them their passwords. Raises UserError."""
    owner = settings.database_url.get_secret_value()
    _must_be_address("database_url", owner)
    return note_logins(settings.data / "secrets.json", place_of(owner))


def printed(database: Database) -> dict[str, str]:
    """Each process' login by its setting. Holds secrets."""
    logins = {role: database.role_urls[role] for role in LOGINS}
    return {
        f"{PREFIX}{SETTINGS[role].upper()}": url_of(login) for role, login in logins.items() if isinstance(login, str)
    }


def url_of(login: str) -> str:
    """As an address without spaces, which any environment file can hold."""
    facts: dict[str, Any] = dict(conninfo_to_dict(login))
    user, password = (quote(str(facts.pop(name, "")), safe="") for name in ("user", "password"))
    host, port, database = facts.pop("host", ""), facts.pop("port", ""), facts.pop("dbname", "")
    if str(host).startswith("/"):
        host, facts = "", {**facts, "host": host}
    host = f"[{host}]" if ":" in str(host) else host
    place = f"{host}:{port}" if port else str(host)
    more = f"?{urlencode(facts, quote_via=quote)}" if facts else ""
    return f"postgresql://{user}:{password}@{place}/{quote(str(database))}{more}"


def place_of(url: str) -> str:
    """Which server an address means, without any secret."""
    facts = conninfo_to_dict(url)
    return f"{facts.get('host') or facts.get('hostaddr') or ''}:{facts.get('port') or 5432}"


def _given(settings: Settings) -> dict[str, str]:
    urls = {role: getattr(settings, name).get_secret_value() for role, name in SETTINGS.items()}
    return {role: url for role, url in urls.items() if url}


def _as_role(url: str, role: str) -> str:
    """A login of another name is a member of the role, and becomes it."""
    return url if conninfo_to_dict(url).get("user") == role else make_conninfo(url, options=f"-c role={role}")


def _must_be_address(name: str, url: str) -> None:
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # whose words quote the address, and with it the password (I13)
        raise UserError(
            f"{PREFIX}{name.upper()} is no address of a database: write postgresql://USER:PASSWORD@HOST:5432/DATABASE, with"
            " %-codes for special characters in the password"
        ) from None
