"""Which IP addresses the outside world is: a webhook may go there and nowhere else.

Written out instead of asked of `ipaddress.is_global`, whose answer differs between Python's versions. Sources: IANA's
special-purpose address registries (IPv4, IPv6), RFC 6890; Azure's wire server, which is metadata on a public address.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Ip = IPv4Address | IPv6Address

_NOT_PUBLIC_V4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network, unspecified
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier-grade NAT, and a cloud's metadata
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's wire server
            "169.254.0.0/16",  # link-local, and most clouds' metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
_PUBLIC_V6: Final = IPv6Network("2000::/3")
"""All of IPv6 that is routed: loopback, link-local, private, multicast, mapped IPv4 and NAT64 lie outside."""
_NOT_PUBLIC_V6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: holds any IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)


def is_public(address: Ip) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def is_allowed(address: Ip, *, allow_loopback: bool) -> bool:
    """Public, or this machine itself where a development setting says so."""
    return is_public(address) or (allow_loopback and address.is_loopback and not _is_mapped(address))


def _is_mapped(address: Ip) -> bool:
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None
