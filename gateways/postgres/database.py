"""Where Postgres answers, for whom; and the server itself where it is ours."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from gateways.postgres.connections import Login, conninfo_of
from gateways.postgres.server import EmbeddedPostgres


class Database(NamedTuple):
    """Where Postgres answers, for whom; and the server itself where it is ours. The URLs hold passwords."""

    owner_url: Login
    role_urls: Mapping[str, Login]
    server: EmbeddedPostgres | None
    passwords: Callable[[], Mapping[str, str] | None] = lambda: None
    """What `migrate` lets the roles log in with; None where a login of another name has them granted."""

    def url(self, role: str) -> str:
        """For one connection now."""
        return conninfo_of(self.role_urls[role])
