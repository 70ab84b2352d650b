"""Opening: from the settings to a database, a platform, and a node of the right network."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from gateways.embedded.secrets_file import SecretsFile, load, no_installation
from gateways.platform_keys import Secrets
from gateways.postgres.connections import Login, conninfo_of
from gateways.postgres.database import Database
from gateways.postgres.roles import API, LOGINS, WRITER
from gateways.postgres.server import EmbeddedPostgres
from gateways.settings import GENESIS_IDS, Settings
from gateways.tron.node import check_network
from gateways.user_error import UserError
from gateways.wiring.on_postgres import on_postgres
from gateways.wiring.own_database import is_own, own_database
from gateways.wiring.platform import Platform


@contextlib.contextmanager
def visiting(settings: Settings, secrets: SecretsFile | None = None) -> Iterator[Database]:
    """The database for a command that comes and goes: a server of ours that was down before is down again afterwards.

    Who gives its `secrets` may make it.
    """
    database = open_database(settings, secrets)
    try:
        yield database
    finally:
        if database.server is not None and database.server.started_here:
            database.server.stop()


def open_database(settings: Settings, secrets: SecretsFile | None = None) -> Database:
    """The database of DATABASE_URL, or the embedded one, started if it does not run yet.

    Who gives its `secrets` may make it; for anybody else it is there, or NotReady is raised. Raises UserError, and what
    databases raise.
    """
    if settings.mode == "aws":
        from gateways.aws.logins import database_of
        from gateways.aws.secrets import SecretStore
        from gateways.aws.session import Aws

        return database_of(settings, SecretStore(Aws(settings)))
    if is_own(settings):
        return own_database(settings, secrets)
    cluster = settings.data.resolve() / "postgres"
    if secrets is None and not (cluster / "PG_VERSION").exists():
        raise no_installation(settings.data)
    server = EmbeddedPostgres(cluster)
    passwords = (secrets or load(settings.data / "secrets.json")).role_passwords
    roles = {role: make_conninfo(server.url, user=role, password=passwords[role]) for role in LOGINS}
    return Database(server.url, roles, server, lambda: passwords)


def operator_key(settings: Settings) -> str:
    """The key that the API accepts as the operator's: the setting, or the one that this installation was made with."""
    given = settings.operator_api_key.get_secret_value()
    if given or settings.mode == "embedded":
        return given or load(settings.data / "secrets.json").operator_api_key
    from gateways.aws.secrets import SecretStore
    from gateways.aws.session import Aws
    from gateways.wiring.on_aws import with_secrets

    return with_secrets(settings, API, SecretStore(Aws(settings))).operator_api_key.get_secret_value()


class NoSecrets(Secrets):
    """Of a folder without an installation, beside a database of one's own: whoever needs a key is told so. Makes none."""

    def __init__(self, data: Path) -> None:
        object.__setattr__(self, "_data", data)
        object.__setattr__(self, "before", {})

    def __getattr__(self, name: str) -> Any:
        raise no_installation(object.__getattribute__(self, "_data"))


@contextlib.contextmanager
def open_platform(settings: Settings, role: str, database: Database | None = None) -> Iterator[Platform]:
    """The platform as `role` sees it, closed at the end of the block; a server of ours goes on running."""
    if settings.mode == "aws":
        from gateways.wiring.on_aws import aws

        platform = aws(settings, role)
    else:
        platform = embedded(settings, database, role)
    try:
        yield platform
    finally:
        platform.close()


def embedded(settings: Settings, database: Database | None = None, role: str = WRITER) -> Platform:
    """One machine: every port is a table or a file, and the process logs in as its own role (I14)."""
    path = settings.data / "secrets.json"
    keys = load(path).keys if path.exists() else NoSecrets(settings.data)
    database = database or open_database(settings)
    platform, _ = on_postgres(settings, keys, database.role_urls, role)
    return replace(platform, owner_url=conninfo_of(database.owner_url) if database.owner_url else "")


def refuse_one_node(settings: Settings) -> None:
    """Raises UserError where one node is all that real coins would rest on, and nobody has said that it will do."""
    if not settings.is_contradicted:
        raise UserError(
            "one node is not enough for real coins, since nobody would contradict it: give two or more in"
            " COUNTERFOIL_TRON_NODE_URL, with commas between, or say COUNTERFOIL_TRON_ONE_NODE=true if one will do"
        )


@contextlib.contextmanager
def held_platform(settings: Settings, secrets: Secrets, logins: Mapping[str, Login], role: str) -> Iterator[Platform]:
    """The platform of one machine for a process that holds these keys and logins alone; closed at the end of the block."""
    platform, _ = on_postgres(settings, secrets, logins, role)
    try:
        yield platform
    finally:
        platform.close()


def refuse_archive_in_data(settings: Settings) -> None:
    """Raises UserError where an old copy of the data would bring an old archive with it, so that nothing told them apart."""
    inside = settings.checkpoint_archive_path.resolve().is_relative_to(settings.data.resolve())
    if settings.network == "mainnet" and settings.mode != "aws" and inside:
        raise UserError(
            "the archive of checkpoints lies in the data's own folder, where an old copy of the one is an old copy of the"
            " other: set COUNTERFOIL_CHECKPOINT_ARCHIVE to a folder elsewhere, best on another disk, and move what is in"
            f" {settings.checkpoint_archive_path} there"
        )


def check_chain(platform: Platform) -> None:
    """Raises WrongNetwork unless the node's block 0 is the configured network's, and the one this database began with."""
    check_network(platform.node, platform.cursors, GENESIS_IDS.get(platform.settings.network))
