"""`counterfoil secrets make` and `rotate`: values for the secrets that terraform has made empty, and new ones in their place.

No value is shown, and none that exists is ever overwritten by `make`: what was made with it would be lost.
"""

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import psycopg
from psycopg import sql

from gateways.aws import seed
from gateways.aws.kms import Kms
from gateways.aws.logins import database_of
from gateways.aws.names import (
    FOR_API,
    FOR_CHECKPOINTS,
    FOR_FACTS,
    FOR_SEED,
    FOR_STATEMENTS,
    FOR_WEBHOOKS,
    SECRETS,
    login_secret,
    secret_name,
)
from gateways.aws.secrets import PEPPER_BEFORE, SecretStore
from gateways.aws.seed import open_seeds, wrapping_key
from gateways.aws.session import Aws
from gateways.postgres.connections import conninfo_of
from gateways.postgres.roles import LOGINS
from gateways.settings import Settings
from gateways.user_error import UserError

DATABASE: Final = "database"
ROTATED: Final = (FOR_WEBHOOKS, FOR_FACTS, FOR_API, FOR_SEED, DATABASE)
"""What may be replaced while everything runs."""
_KEYS: Final = {
    "api_key_pepper",
    "position_key",
    "webhook_master",
    "deposit_fact_key",
    "checkpoint_seed",
    "statement_seed",
}


def make(settings: Settings) -> list[str]:
    """Give every secret a value that has none -> the names of those."""
    refuse_one_machine(settings)
    aws = Aws(settings)
    store = SecretStore(aws)
    wanted: dict[str, Callable[[], Mapping[str, str]]] = {
        name: partial(_fresh, name) for name in (FOR_API, FOR_WEBHOOKS, FOR_FACTS, FOR_CHECKPOINTS, FOR_STATEMENTS)
    }
    if settings.payin_keys == "derived":
        wanted[FOR_SEED] = partial(seed.make, Kms(aws), wrapping_key(settings))
    wanted |= {login_secret(role): partial(_login, role) for role in LOGINS}
    made = []
    for name, fields in wanted.items():
        if not store.exists(name):
            store.put(name, fields())
            made.append(secret_name(settings.aws_prefix, name))
    return made


def rotate(settings: Settings, name: str) -> list[str]:
    """Put a new value in the place of one that is in use -> the secrets that have a new version. No process need restart."""
    refuse_one_machine(settings)
    store = SecretStore(Aws(settings))
    if name == DATABASE:
        return [secret_name(settings.aws_prefix, each) for each in _rotate_logins(settings, store)]
    if name == FOR_SEED:
        kms = Kms(Aws(settings))
        store.put(FOR_SEED, seed.wrap_again(kms, wrapping_key(settings), *open_seeds(settings, kms)))
    elif name == FOR_API:
        kept = store.fields(name, fresh_s=0)
        before = {PEPPER_BEFORE: kept["api_key_pepper"], "api_key_pepper": secrets.token_hex(32)}
        store.put(name, {**kept, **before})
    elif name in ROTATED:
        store.fields(name)  # a first value is not ours to make here
        store.put(name, _fresh(name))
    else:
        raise UserError(f"{name} is not replaced while it is in use: choose one of {', '.join(ROTATED)}")
    return [secret_name(settings.aws_prefix, name)]


def add_seed(settings: Settings, number: int) -> str:
    """Put the n-th deposit seed in front of those that are there, unless it is there -> the secret's name."""
    store = SecretStore(Aws(settings))
    kept = store.fields(FOR_SEED, fresh_s=0)
    if len(seed.older_of(kept)) + 1 < number:
        store.put(FOR_SEED, seed.add(Kms(Aws(settings)), wrapping_key(settings), kept, number))
    return secret_name(settings.aws_prefix, FOR_SEED)


def refuse_one_machine(settings: Settings) -> None:
    """Raises UserError where there is no Secrets Manager."""
    if settings.mode != "aws":
        raise UserError(
            "on one machine the keys are in DATA/secrets.json, made at the first start: set MODE=aws for AWS"
        )


def _rotate_logins(settings: Settings, store: SecretStore) -> list[str]:
    """A password goes into the database, then into its secret: in between, and only then, a new connection is refused."""
    done = []
    with psycopg.connect(conninfo_of(database_of(settings, store).owner_url), autocommit=True) as conn:
        for role in LOGINS:
            name, fresh = login_secret(role), _login(role)
            known = store.fields(name, fresh_s=0)
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
            conn.execute(statement.format(sql.Identifier(known["username"]), sql.Literal(fresh["password"])))
            store.put(name, {**known, "password": fresh["password"]})
            done.append(name)
    return done


def _fresh(name: str) -> dict[str, str]:
    made = {field: secrets.token_hex(32) for field in SECRETS[name] if field in _KEYS}
    if "operator_api_key" in SECRETS[name]:
        made["operator_api_key"] = f"cf_operator_{secrets.token_urlsafe(32)}"
    return made


def _login(role: str) -> dict[str, str]:
    return {"username": role, "password": secrets.token_urlsafe(32)}
