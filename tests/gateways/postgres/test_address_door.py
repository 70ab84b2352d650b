"""The door of the address pool in a database that is copied, and in the hands of each login."""

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from core.ports.wallets import ReadyAddress
from gateways.postgres.address_door import PostgresAddressDoor
from gateways.postgres.address_pool import PostgresAddressPool
from gateways.postgres.connections import Connections
from gateways.postgres.roles import API, LOGINS, SIGNER
from gateways.postgres.server import EmbeddedPostgres
from tests.support.history import ALICE_ADDRESS, BOB_ADDRESS
from tests.support.postgres import Database

READY = [ReadyAddress(each.base58, each.hex(), each.base58) for each in (ALICE_ADDRESS, BOB_ADDRESS)]


def test_a_copied_database_gives_out_nothing_until_it_is_opened(database: Database, postgres: EmbeddedPostgres) -> None:
    """Though its row says that it is open: that was said of another database. The original goes on."""
    pool = PostgresAddressPool(signer := Connections(database.role_urls[SIGNER], connections_max=1))
    PostgresAddressDoor(signer).open()
    pool.add(READY)
    signer.close()
    name = f"{database.name}_copy"
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        conn.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(database.name))
        )
    try:
        copy = Connections(make_conninfo(database.owner_url, dbname=name), connections_max=1)
        original = Connections(database.role_urls[API], connections_max=1)
        assert PostgresAddressPool(copy).take() is None
        assert PostgresAddressPool(original).take() is not None
        PostgresAddressDoor(copy).open()
        assert PostgresAddressPool(copy).take() is not None
        copy.close()
        original.close()
    finally:
        with psycopg.connect(postgres.url, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_another_run_of_the_server_finds_it_shut(database: Database) -> None:
    """What was opened before the server was started last, or restored, was opened by nobody who has looked at it since."""
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("SELECT open_address_door()")
        assert conn.execute("SELECT address_door_is_open()").fetchone() == (True,)
        conn.execute("UPDATE address_door SET server_started = server_started - interval '1 second'")
        assert conn.execute("SELECT address_door_is_open()").fetchone() == (False,)


def test_an_address_with_coins_that_nobody_was_given_is_given_up(database: Database) -> None:
    """The others stay ready."""
    pool = PostgresAddressPool(signer := Connections(database.role_urls[SIGNER], connections_max=1))
    pool.add(READY)
    with psycopg.connect(database.projector_url) as conn:
        conn.execute(
            "INSERT INTO address_holdings (address, usdt_minor, trx_sun, sweeps, block_number, position)"
            " VALUES (%s, 5, 0, 0, 1, 1)",
            (ALICE_ADDRESS.base58,),
        )
    door = PostgresAddressDoor(signer)
    door.give_up_used()
    door.open()
    assert pool.ready() == 1
    signer.close()


@pytest.mark.parametrize("role", [role for role in LOGINS if role != SIGNER])
def test_only_a_signer_opens_it(database: Database, role: str) -> None:
    """Neither by the functions nor by the row (I16)."""
    with psycopg.connect(database.role_urls[role], autocommit=True) as conn:
        for statement in (
            "SELECT open_address_door()",
            "SELECT shut_address_door()",
            "SELECT give_up_ready_addresses(1, 1)",
            "SELECT give_up_used_addresses()",
            "UPDATE address_door SET server_started = now()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement)
