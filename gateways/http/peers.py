"""Who asks: the address at the other end, or, behind a load balancer of ours, the one that the balancer saw.

A balancer appends the address it saw to X-Forwarded-For. What stands before it in that header was written by the client and is
worth nothing, and so is the whole header when it comes from anybody but a balancer of ours.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

Network = IPv4Network | IPv6Network


def networks(text: str) -> tuple[Network, ...]:
    """Networks with commas between. Raises ValueError for what is none."""
    return tuple(ip_network(each.strip()) for each in text.split(",")) if text else ()


@lru_cache(maxsize=4096)
def group(address: str | None) -> str:
    """Whom an address is counted as: one host has a whole /64 of IPv6."""
    if address is None or ":" not in address:
        return address or "none"
    try:
        return str(ip_network(f"{address.partition('%')[0]}/64", strict=False))
    except ValueError:
        return address


class Peers:
    """Knows which networks are the balancers' own."""

    def __init__(self, trusted: Iterable[Network]) -> None:
        self._trusted = tuple(trusted)
        self._is_trusted = lru_cache(maxsize=1024)(self._look)

    def address(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> str | None:
        """The nearest address that is no balancer of ours; None where a socket has none."""
        client = scope.get("client")
        peer: str | None = client[0] if client else None
        if peer is None or not self._trusted or not self._is_trusted(peer):
            return peer
        named = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        for address in reversed([each.strip() for each in named]):
            try:
                ip_address(address)
            except ValueError:
                return peer
            if not self._is_trusted(address):
                return address
        return peer

    def _look(self, address: str) -> bool:
        return any(ip_address(address) in network for network in self._trusted)
