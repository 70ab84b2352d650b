"""`counterfoil up`: what must be there before it says that it is up."""

import threading

import pytest

from core.ports.wallets import ReadyAddress
from gateways.postgres import database as served_by
from gateways.postgres.address_pool import PostgresAddressPool
from gateways.postgres.connections import Connections
from gateways.postgres.roles import READER
from gateways.processes import up
from gateways.settings import load
from tests.support.history import ALICE_ADDRESS
from tests.support.postgres import Database


class Looks(threading.Event):
    """Never set; at the third look the signer has made an address."""

    def __init__(self, pool: PostgresAddressPool) -> None:
        super().__init__()
        self._pool = pool
        self.count = 0

    def is_set(self) -> bool:
        self.count += 1
        if self.count == 3:
            self._pool.add([ReadyAddress(ALICE_ADDRESS.base58, ALICE_ADDRESS.hex(), "key")])
        return False


def test_it_is_up_when_there_is_an_address_to_give_out(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first client that asks for a deposit address gets one; later starts wait for nothing."""
    monkeypatch.setattr(up, "wait_for", lambda *_: None)
    served = served_by.Database(database.owner_url, {READER: database.reader_url}, None)
    world = up.World(load({}), served, "http://127.0.0.1:1", "", None)
    connections = Connections(database.owner_url)
    looks = Looks(PostgresAddressPool(connections))
    up.wait_until_ready(world, looks)
    assert looks.count == 3
    assert looks._pool.take() is not None
    up.wait_until_ready(world, looks)
    assert looks.count == 4
    connections.close()
