"""The database of MODE=aws: DATABASE_URL says where it is, Secrets Manager who logs in with what, now."""

from collections.abc import Mapping
from typing import Final

from psycopg.conninfo import make_conninfo

from gateways.aws.names import OWNER_LOGIN, login_secret
from gateways.aws.secrets import SecretStore
from gateways.postgres.connections import Login
from gateways.postgres.database import Database
from gateways.postgres.roles import LOGINS
from gateways.settings import Settings
from gateways.user_error import NotReady, UserError

FRESH_S: Final = 5.0
"""A connection is refused because its password was replaced: the next one, a moment later, finds the new one."""


def database_of(settings: Settings, secrets: SecretStore) -> Database:
    """Raises UserError without a DATABASE_URL. No secret is read before a connection needs it."""
    where = settings.database_url.get_secret_value()
    if not where:
        raise UserError("on AWS the database is not started by us: set COUNTERFOIL_DATABASE_URL to where RDS answers")

    def login(name: str) -> Login:
        def conninfo() -> str:
            known = secrets.fields(name, fresh_s=FRESH_S)
            return make_conninfo(where, user=_field(known, name, "username"), password=_field(known, name, "password"))

        return conninfo

    def passwords() -> Mapping[str, str]:
        return {role: _field(secrets.fields(login_secret(role)), login_secret(role), "password") for role in LOGINS}

    owner = settings.database_owner_secret or OWNER_LOGIN
    return Database(login(owner), {role: login(login_secret(role)) for role in LOGINS}, None, passwords)


def _field(fields: Mapping[str, str], name: str, field: str) -> str:
    if not fields.get(field):
        raise NotReady(f"the secret {name} has no {field}: it must be a JSON object with username and password")
    return fields[field]
