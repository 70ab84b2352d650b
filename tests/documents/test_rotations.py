"""The table of rotations is true: it names every secret that there is, and says what the program lets count."""

from datetime import timedelta
from typing import Final, get_args

import pytest

from core.streams.wallet.rotation import RotatedRole
from gateways.aws.secret_values import ROTATED
from gateways.aws.secrets import FACTS_OVERLAP
from gateways.cli.secrets import ON_ONE_MACHINE
from gateways.embedded.secrets_file import OVERLAPS
from tests.documents.holders import holders, login
from tests.documents.rotations import MANY, ROTATIONS, covered, overlaps

pytestmark = pytest.mark.fast

LOGINS: Final = login("")


def test_every_secret_that_a_process_holds_is_in_the_table() -> None:
    """And no other, but for the clients' own."""
    known = {MANY if name.startswith(LOGINS) else name for name in holders()}
    assert {MANY if name.startswith(LOGINS) else name for name in covered()} == known


def test_the_overlaps_are_the_programs() -> None:
    """On one machine as on AWS; what counts until the next rotation has no time."""
    assert overlaps() == dict(OVERLAPS)
    assert overlaps()["deposit_fact_key"] == FACTS_OVERLAP
    assert timedelta(hours=24) == overlaps()["webhook_master"]


def test_the_commands_are_the_programs() -> None:
    """Each role whose key is ours, each secret that either platform replaces."""
    commands = " ".join(each.command for each in ROTATIONS)
    for role in get_args(RotatedRole):
        assert f"counterfoil wallets rotate {role}" in commands
    for name in {*ON_ONE_MACHINE, *ROTATED} - {"deposit-seed"}:  # which is wrapped anew, and stays the same seed
        assert f"counterfoil secrets rotate {name}" in commands
