"""Who asks is the address that our own balancer saw, and nothing that a client can write."""

import pytest

from gateways.http.peers import Peers, networks

pytestmark = pytest.mark.fast

BALANCER, OTHER_BALANCER, CLIENT, STRANGER = "10.40.0.7", "10.40.4.7", "203.0.113.9", "198.51.100.1"
OURS = networks("10.40.0.0/22, 10.40.4.0/22")


def address(peer: str | None, told: str | None, trusted: str = "10.40.0.0/22,10.40.4.0/22") -> str | None:
    headers = {} if told is None else {b"x-forwarded-for": told.encode()}
    return Peers(networks(trusted)).address({"client": (peer, 1) if peer else None}, headers)


@pytest.mark.parametrize(
    ("peer", "told", "who"),
    [
        (BALANCER, CLIENT, CLIENT),
        (BALANCER, f"{STRANGER}, {CLIENT}", CLIENT),  # the client wrote the first one itself
        (BALANCER, f"{CLIENT}, {OTHER_BALANCER}", CLIENT),
        (BALANCER, "2001:db8::1", "2001:db8::1"),
        (BALANCER, None, BALANCER),
        (BALANCER, "", BALANCER),
        (BALANCER, f"{CLIENT}, unknown", BALANCER),
        (BALANCER, f"{CLIENT}:443", BALANCER),
        (BALANCER, OTHER_BALANCER, BALANCER),
        (STRANGER, CLIENT, STRANGER),
        (STRANGER, None, STRANGER),
        (None, CLIENT, None),
    ],
)
def test_the_last_address_that_is_not_ours_asks(peer: str | None, told: str | None, who: str | None) -> None:
    """A header counts when a balancer of ours sends it, and then from its end; what is no address is not believed."""
    assert address(peer, told) == who


def test_nobody_is_believed_unless_it_is_said() -> None:
    """Without networks of balancers the header is a stranger's words."""
    assert address(BALANCER, CLIENT, trusted="") == BALANCER
    assert networks("") == ()
    assert len(OURS) == 2
