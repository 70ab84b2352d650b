"""Which installation a command is about: its settings, also from what runs in its folder, and its database."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Set
from typing import TYPE_CHECKING, Any, Final

from gateways import settings as settings_module
from gateways.processes.running import find
from gateways.settings import PREFIX, Settings

if TYPE_CHECKING:
    from gateways.postgres.database import Database

_OF_THE_NODES: Final = frozenset(
    {"tron_node_url", "tron_solidity_url", "tron_api_key", "tron_grpc_url", "tron_grpc_solidity_url"}
)


def settings_with(**overrides: Any) -> Settings:
    """The settings of the installation that a command is about; None is what was not said. Raises InvalidSettings.

    The command line wins, then the environment, then what the `counterfoil up` has chosen that runs in the same folder.
    """
    return found_settings(**overrides)[0]


def found_settings(**overrides: Any) -> tuple[Settings, Set[str]]:
    """The same, and the names of those that come from what runs."""
    given = {name: value for name, value in overrides.items() if value is not None}
    own = settings_module.load(**given)
    running = find(own.data)
    if running is None:
        return own, frozenset()
    said = {name[len(PREFIX) :].lower() for name in os.environ if name.startswith(PREFIX)} | given.keys()
    found = _beneath(own, said, running.settings)
    return settings_module.load(**found, **given), found.keys()


def _beneath(own: Settings, said: Set[str], running: Mapping[str, Any]) -> dict[str, Any]:
    """What of a running installation's settings holds for a command that has some of its own.

    Who names another platform means another installation. Who names another network, or other nodes, gets nothing that
    belongs to the nodes of this one: not their keys either.
    """
    if "mode" in said and own.mode != running.get("mode", "embedded"):
        return {}
    left_out = set(said)
    if "network" in said and own.network != running.get("network", "devnet"):
        left_out |= _OF_THE_NODES | {"usdt_contract"}
    elif "tron_node_url" in said:
        left_out |= _OF_THE_NODES
    return {name: value for name, value in running.items() if name not in left_out}


@contextlib.contextmanager
def opened_database(settings: Settings) -> Iterator["Database"]:
    """The installation's database, which is there and at this program's version; a server of ours that was down before
    is down again afterwards. Raises NotReady, SchemaMismatch, Unavailable.
    """
    from gateways.postgres.connections import conninfo_of
    from gateways.postgres.migrate import check
    from gateways.postgres.roles import READER
    from gateways.wiring.opened import visiting

    with visiting(settings) as database:
        # The owner can always log in; the roles are there only when the first migration has run.
        by_owner = settings.mode != "aws" and database.owner_url
        check(conninfo_of(database.owner_url) if by_owner else database.url(READER))
        yield database
