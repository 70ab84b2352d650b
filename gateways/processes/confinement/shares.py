"""What each process of one machine knows of secrets: its share, which a helper reads for it and hands over through a pipe.

The process itself never sees the file with everybody's; a process' declaration (`access`, `needs`) says what its share has.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from gateways.aws.names import FOR_API, FOR_FACTS, FOR_WEBHOOKS
from gateways.embedded.secrets_file import load_or_create
from gateways.platform_keys import Before, Secrets, SecretWithheld
from gateways.postgres.roles import API
from gateways.postgres.server import EmbeddedPostgres
from gateways.processes.confinement.apart import apart
from gateways.processes.confinement.given import SECRET_SETTINGS, Given
from gateways.processes.process import Process
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.own_database import own_database
from signers.keys.keystore import DEPOSIT_SEED, GAS, HOT, Keystore

KEYS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    FOR_API: ("api_key_pepper", "position_key"),
    FOR_WEBHOOKS: ("webhook_master",),
    FOR_FACTS: ("deposit_fact_key",),
}
"""By the secret's name in `Access`, which is AWS' name for it: the platform's keys."""


class Share(NamedTuple):
    """Settings that are secret, keys of the platform, and logins by database role: what one process may know."""

    settings: Mapping[str, str]
    keys: Mapping[str, bytes]
    logins: Mapping[str, str]
    before: Mapping[str, Before]
    """What keys of the platform were before they were replaced."""

    def open_settings(self, settings: Settings) -> Settings:
        """These settings with the share's."""
        return settings.model_copy(update={name: SecretStr(value) for name, value in self.settings.items()})

    @property
    def secrets(self) -> Secrets:
        """The keys; to ask for another one is a defect."""
        return _PartOfSecrets(self.before, **self.keys)

    def __repr__(self) -> str:
        return "Share(hidden)"


class _PartOfSecrets(Secrets):
    def __init__(self, before: Mapping[str, Before], **keys: bytes) -> None:
        object.__setattr__(self, "before", before)
        for name, key in keys.items():
            object.__setattr__(self, name, key)

    def __getattr__(self, name: str) -> Any:
        raise SecretWithheld(f"this process does not hold {name}")


def settings_held(process: Process, *, on_aws: bool = False) -> frozenset[str]:
    """The secret settings that a process may know. DATABASE_URL is none, but on AWS, where it has no password."""
    held = {"database_url"} if on_aws else set()
    if "KEYSTORE_PASSPHRASE" in process.needs:
        held.add("keystore_passphrase")
    if process.role == API:
        held.add("operator_api_key")
    if "TRON_NODE_URL" in process.needs:
        held.add("tron_api_key")
    return frozenset(held)


def keys_held(process: Process) -> frozenset[str]:
    """The platform's keys that a process may know."""
    return frozenset(key for name in process.access.secrets for key in KEYS_OF.get(name, ()))


def roles_held(process: Process) -> frozenset[str]:
    """The database roles that a process may log in as."""
    return frozenset({process.role, *process.access.logins})


def fetch(process: Process, settings: Settings, given: Given, server: EmbeddedPostgres | None) -> Share:
    """The share of one process, read apart from it. `settings` are those without secrets."""
    return apart(_reader(process, settings, given, server))


def _reader(process: Process, settings: Settings, given: Given, server: EmbeddedPostgres | None) -> Callable[[], Share]:
    def read() -> Share:
        kept = load_or_create(settings.data / "secrets.json")
        known = given.settings(settings)
        told = {name: value for name in SECRET_SETTINGS if (value := getattr(known, name).get_secret_value())}
        told.setdefault("operator_api_key", kept.operator_api_key)
        told["keystore_passphrase"] = passphrase(known, kept.keystore_passphrase)
        roles = roles_held(process)
        if server is None:
            urls = own_database(known, kept).role_urls
            logins = {role: url for role in roles if isinstance(url := urls[role], str)}
        else:
            logins = {
                role: make_conninfo(server.place, user=role, password=kept.role_passwords[role]) for role in roles
            }
        keys = {name: bytes.fromhex(getattr(kept, name)) for name in keys_held(process)}
        return Share(
            {name: told[name] for name in settings_held(process) & told.keys()}, keys, logins, kept.before(keys.keys())
        )

    return read


def passphrase(settings: Settings, made: str) -> str:
    """The keystore's, as it was given; the one that was made at the first start is for devnets alone."""
    return settings.passphrase() or (made if settings.network == "devnet" else "")


def make_keystore(settings: Settings, made: str) -> None:
    """At the first start. Away from the devnet, its passphrase must be the operator's own."""
    opens = passphrase(settings, made)
    if not opens:
        raise UserError(
            "a keystore for real coins needs a passphrase of yours: set COUNTERFOIL_KEYSTORE_PASSPHRASE,"
            " or COUNTERFOIL_KEYSTORE_PASSPHRASE_FILE to a file that holds it"
        )
    if not settings.keystore_path.exists():
        new = {
            HOT: secrets.token_bytes(32),
            GAS: secrets.token_bytes(32),
            DEPOSIT_SEED: secrets.token_bytes(64),
        }
        Keystore.create(settings.keystore_path, opens, new)
