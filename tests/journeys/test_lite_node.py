"""A node that keeps no old blocks, on the running product: who lacks what is said, and everything goes on once it is there."""

import os
import signal
from pathlib import Path

import httpx2
import pytest

from tests.journeys.conftest import Installation, get, post
from tests.support.patience import HANG_S, until

BLOCKS = 60
"""More than lie between the head and the solid block."""


def head(running: Installation) -> int:
    answer = httpx2.post(f"{running.devnet}/wallet/getnowblock", json={}, timeout=HANG_S)
    return int(answer.json()["block_header"]["raw_data"]["number"])


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes through /proc")
def test_a_lite_node_is_named_with_the_block_that_it_lacks(installation: Installation) -> None:
    """The scanner was away longer than the node reaches back: /readyz says which block is lacking, and no deposit is lost."""
    until(lambda: installation.hot_wallet())
    faults = f"{installation.devnet}/devnet/faults"
    with installation.company("Patient") as company, installation.operator() as operator:
        address = post(company, "/v1/payins", {})["address"]["tron_address_base58"]
        observe = until(lambda: installation.child("observe"), "observe runs")
        os.kill(observe, signal.SIGSTOP)
        try:
            installation.faucet(address, usdt="7")
            paid = head(installation)
            until(lambda: head(installation) > paid + BLOCKS, "what was paid lies below the solid block")
            armed = httpx2.post(faults, json={"kind": "lite", "below": head(installation)}, timeout=HANG_S)
            assert armed.status_code == 200, armed.text
        finally:
            os.kill(observe, signal.SIGCONT)
        try:
            said = until(
                lambda: (it := operator.get("/readyz").text) and "that the scanner needs" in it and it, "it is said"
            )
            assert "has not the block" in said
            assert get(company, "/v1/deposits", status="confirmed")["data"] == []
        finally:
            httpx2.request("DELETE", faults, timeout=HANG_S)
        until(lambda: get(company, "/v1/deposits", status="confirmed")["data"], "the deposit is credited")
        until(lambda: "that the scanner needs" not in operator.get("/readyz").text, "nobody lacks anything")
