"""What needs every secret, in a process that ends with it: keys, database and nodes, made or opened before anything is said.

What cannot be is an error with one sentence; what holds nothing up is a sentence, too, for whoever reads what `up` prints.
"""

import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import psycopg

from core.ledger.clock import APART_MAX
from core.ports.unavailable import Unavailable
from gateways.embedded.secrets_file import load_or_create
from gateways.postgres.connections import conninfo_of
from gateways.postgres.logins import must_be_itself
from gateways.postgres.migrate import migrate
from gateways.postgres.roles import LOGINS, OBSERVER
from gateways.processes.confinement.given import Given
from gateways.processes.confinement.shares import make_keystore, passphrase
from gateways.settings import GENESIS_IDS, Settings
from gateways.tron.node import check_network
from gateways.user_error import CannotBegin, NotReady
from gateways.wiring.notes import open_signer
from gateways.wiring.opened import open_database, open_platform
from gateways.wiring.own_database import SHARED, is_shared
from gateways.wiring.platform import Platform, utc_now
from scanners.observer import SOLID
from signers.keys.keystore import DEPOSIT_SEED, GAS, HOT, Keystore, KeystoreUnusable

NEEDED: Final = (HOT, GAS, DEPOSIT_SEED)


def prepare(settings: Settings, given: Given, *, own_chain: bool, signs: bool) -> list[str]:
    """Make what is not there, open what is -> sentences of what is not well and holds nothing up.

    Without a chain of its own the nodes are asked which network they are on, and how old their newest block is. Raises
    UserError, Unavailable, and what databases raise.
    """
    settings = given.settings(settings)
    if settings.mode == "embedded":
        kept = load_or_create(settings.data / "secrets.json")
        if signs:
            open_keys(settings, kept.keystore_passphrase)
        open_signer(settings, "statements")
        open_signer(settings, "checkpoints")
        _must_take_files(settings)
        database = open_database(settings, kept)
    else:
        database = open_database(settings)
    owner = conninfo_of(database.owner_url)
    migrate(owner, database.passwords())
    _clocks_must_agree(owner)
    for role in LOGINS if settings.mode == "embedded" else ():
        must_be_itself(database.role_urls[role], role)
    warnings = [SHARED] if is_shared(settings, database.role_urls) and not own_chain else []
    if own_chain:
        return warnings
    with open_platform(settings, OBSERVER, database) as platform:
        return [*warnings, *look_at_nodes(platform)]


def _clocks_must_agree(owner: str) -> None:
    """Raises CannotBegin where every append would wait until somebody has set a clock (core/ledger/clock.py)."""
    with psycopg.connect(owner) as conn:
        [(server_now,)] = conn.execute("SELECT clock_timestamp()").fetchall()
    apart = utc_now() - server_now
    if abs(apart) > APART_MAX:
        side = "ahead of" if apart > timedelta(0) else "behind"
        raise CannotBegin(
            f"this machine's clock is {_age(abs(apart).total_seconds())} {side} the database's, so that nothing could be"
            " written: set the clocks (chronyc makestep)"
        )


def open_keys(settings: Settings, made: str) -> None:
    """The keystore, made at the first start; whoever signs finds it open later. Raises KeystoreUnusable, UserError."""
    was_there = settings.keystore_path.exists()
    make_keystore(settings, made)
    if was_there:
        names = Keystore.open(settings.keystore_path, passphrase(settings, made)).names
        if lacking := [name for name in NEEDED if name not in names]:
            raise KeystoreUnusable(
                f"the keystore {settings.keystore_path} has no {' and no '.join(lacking)}: it is another machine's;"
                " put this installation's in its place, from a backup"
            )


def _must_take_files(settings: Settings) -> None:
    """Raises CannotBegin where the archive of checkpoints cannot be written, or the disk is full."""
    folder = settings.checkpoint_archive_path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CannotBegin(
            f"the archive of checkpoints {folder} cannot be written ({error.strerror}): make room or give it to this user, or"
            " name another folder in COUNTERFOIL_CHECKPOINT_ARCHIVE"
        ) from error


def look_at_nodes(platform: Platform) -> Iterator[str]:
    """What is not well with a node. Raises WrongNetwork for one of another chain, Unavailable where none answers, NotReady
    where at the first start all of them are behind: a history that begins on an old block takes long to be true.
    """
    silent, old, well = [], [], 0
    expected = GENESIS_IDS.get(platform.settings.network)
    for name, node in platform.node.members.items():
        try:
            check_network(node, platform.cursors, expected)
            lag_s = (platform.clock().timestamp() * 1000 - node.head().timestamp_ms) / 1000
        except Unavailable as error:
            silent.append(f"the node {name} does not answer: {error}")
            continue
        most = platform.settings.lag_s_max
        if most is not None and lag_s < -APART_MAX.total_seconds():
            raise CannotBegin(
                f"this machine's clock is {_age(-lag_s)} behind the newest block of the node {name}: set it (chronyc makestep)"
            )
        if most is not None and lag_s > most:
            old.append(
                f"the node {name} is behind: its newest block is {_age(lag_s)} old, {most} s is the most that counts"
            )
        else:
            well += 1
    if not old and not well:
        raise Unavailable("; ".join(silent))
    if not well and platform.cursors.load(SOLID) is None:
        raise NotReady(f"{'; '.join(old)}. Wait until it has caught up, and check this machine's clock")
    yield from silent
    yield from old


def _age(seconds: float) -> str:
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"
