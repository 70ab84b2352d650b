"""Ports are taken before anything is started, so that whoever answers there is ours (FAILURES 64)."""

import os
import socket
from pathlib import Path

import pytest

from gateways.processes.confinement.apart import apart
from gateways.processes.start.ports import Ports, must_be_free
from gateways.processes.supervisor import Supervisor
from gateways.processes.up import wait_for
from gateways.user_error import CannotBegin
from tests.support.patience import until

HOST = "127.0.0.1"


def test_a_port_is_held_until_its_process_has_it() -> None:
    """Nobody else can listen there in between, and nobody is turned away: who connects waits for the process."""
    ports = Ports()
    port = ports.take("api", HOST, 0, "a setting")
    with pytest.raises(CannotBegin, match=f"127.0.0.1 port {port} .* choose another a setting"):
        must_be_free(HOST, port, "a setting")
    socket.create_connection((HOST, port), 1).close()
    ports.close()
    must_be_free(HOST, port, "a setting")


def test_a_process_has_its_own_socket_and_no_others() -> None:
    """A fork that serves holds no other's port; once it was let go, whoever is started again listens by itself."""
    ports = Ports()
    ports.take("api", HOST, 0, "")
    ports.take("devnet", HOST, 0, "")

    def held() -> tuple[bool, int]:
        mine = ports.of("api")
        return mine is not None, sum("socket" in os.readlink(f"/proc/self/fd/{fd}") for fd in _open(mine))

    def _open(mine: socket.socket | None) -> list[int]:
        return [each.fileno() for each in ports._held.values() if each.fileno() >= 0] if mine else []

    assert apart(held) == (True, 1)
    ports.let_go("api")
    assert ports.of("api") is None
    ports.close()


def test_who_answers_is_the_child_that_was_started(tmp_path: Path) -> None:
    """One that has ended is no API, whoever answers at its address, and its last words are told."""
    supervisor = Supervisor(tmp_path)
    child = supervisor.start("api", lambda: print("out of luck"))
    until(lambda: not child.alive, "it has ended")
    with pytest.raises(CannotBegin, match=r"the API has ended: out of luck \(see .*api.log\)"):
        wait_for("http://127.0.0.1:1/healthz", "the API", child=child)
