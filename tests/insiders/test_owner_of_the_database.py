"""Whoever owns the database can write any history with seals that fit it: the newest checkpoint outside it says otherwise."""

from pathlib import Path

import psycopg
import pytest

from core.ledger.books import USER_LIABILITY
from core.ledger.seals import GENESIS, seal_hash
from gateways.postgres.roles import API
from tests.insiders.world import COINS, Insiders
from tests.signers.leash.limited import LIMITS
from tests.support.checkpoints import Desk
from tests.support.history import ALICE


def retell(url: str, old: str, new: str) -> None:
    """Change every event that says the one to say the other, and seal all of it anew."""
    with psycopg.connect(url) as conn:
        for table in ("events", "seals"):
            conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")  # type: ignore[call-overload]
        conn.execute("UPDATE events SET state = replace(state, %s, %s)", (old, new))
        previous = GENESIS
        for batch, first, last in conn.execute(
            "SELECT batch_id, first_position, last_position FROM seals ORDER BY last_position"
        ).fetchall():
            rows = conn.execute(
                "SELECT notification_id, originator_id, originator_version, topic, convert_to(state, 'UTF8') FROM events"
                " WHERE notification_id BETWEEN %s AND %s ORDER BY 1",
                (first, last),
            ).fetchall()
            before, previous = previous, seal_hash(previous, rows)
            conn.execute(
                "UPDATE seals SET previous_hash = %s, hash = %s WHERE batch_id = %s", (before, previous, batch)
            )
        for table in ("events", "seals"):
            conn.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_are_append_only")  # type: ignore[call-overload]


@pytest.mark.parametrize("archived", [True, False])
def test_a_history_told_anew_is_not_paid_from(world: Insiders, tmp_path: Path, archived: bool) -> None:
    """A deposit of 900 is one of 9,000 now. A signer begun anew stops, if a checkpoint of before is in the archive."""
    desk = Desk(world.database, tmp_path)
    desk.sign_now()
    retell(world.database.owner_url, '"amount_minor":900000000', '"amount_minor":9000000000')
    world.move_guard(API, ALICE, USER_LIABILITY, 8_100 * COINS)
    world.start(LIMITS, desk.archive if archived else None)
    for number in range(2):
        world.asked(f"p{number}", 100 * COINS)
    world.live()
    assert world.paid_minor == (0 if archived else 200 * COINS)
    assert ("history_not_sealed" in world.alarms()) is archived
    desk.login.close()
