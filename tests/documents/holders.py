"""Who holds which secret, process by process, as the processes declare it; a test looks into their memory for the others."""

from collections.abc import Callable
from typing import Final

from gateways.postgres.roles import LOGINS
from gateways.processes.confinement.shares import KEYS_OF, keys_held, roles_held, settings_held
from gateways.processes.process import Process
from gateways.processes.registry import PROCESSES
from gateways.settings import PREFIX

KEYSTORE: Final = "the wallets' keys and the deposit seed (DATA/keystore.json)"
SUPERUSER: Final = "the embedded database's superuser (DATA/superuser.password)"
_FILES: Final = {"DATA/checkpoints.key": "checkpoints", "DATA/statements.key": "api"}


def setting(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def platform_key(name: str) -> str:
    return f"{name} (DATA/secrets.json)"


def login(role: str) -> str:
    return f"the password of the database login {role.removeprefix('counterfoil_')}"


def holders() -> dict[str, frozenset[str]]:
    """Secret -> the processes that may hold it. What supervises them, the devnet and everybody else hold none."""
    found = {
        setting(name): _who(lambda process, name=name: name in settings_held(process))  # type: ignore[misc]
        for name in ("keystore_passphrase", "operator_api_key", "tron_api_key", "database_url")
    }
    found[KEYSTORE] = _who(lambda process: "KEYSTORE" in process.needs)
    for keys in KEYS_OF.values():
        for key in keys:
            found[platform_key(key)] = _who(lambda process, key=key: key in keys_held(process))  # type: ignore[misc]
    found |= {path: frozenset({name}) for path, name in _FILES.items()}
    for role in LOGINS:
        found[login(role)] = _who(lambda process, role=role: role in roles_held(process))  # type: ignore[misc]
    return found | {SUPERUSER: frozenset()}


def _who(holds: Callable[[Process], bool]) -> frozenset[str]:
    return frozenset(name for name, process in PROCESSES.items() if holds(process))
