"""Terraform makes what the program uses: one list of processes, queues, tables, keys and secrets serves both."""

from pathlib import Path

import pytest

from gateways import queues
from gateways.processes.registry import PROCESSES
from gateways.processes.terraform import document, is_signer, text

pytestmark = pytest.mark.fast

PLATFORM = Path(__file__).parents[2] / "terraform" / "platform.json"


def test_terraform_is_told_what_the_program_says() -> None:
    """terraform/platform.json is what the program writes today."""
    assert PLATFORM.read_text(encoding="utf-8") == text(), "run `make platform` and commit terraform/platform.json"


def test_who_asks_nodes_reaches_them_and_nobody_else_does() -> None:
    """The way out to Tron nodes is open to the processes whose steps ask a node, and to no other one."""
    asking = {name for name, process in PROCESSES.items() if "TRON_NODE_URL" in process.needs}
    assert {name for name, each in PROCESSES.items() if "nodes" in each.deployment.reaches} == asking
    assert {name for name, each in PROCESSES.items() if "webhooks" in each.deployment.reaches} == {"webhooks"}


def test_who_uses_coins_keys_stands_apart() -> None:
    """The signers' subnets hold the processes with keys, and what faces clients or the chain's transfers is not among them."""
    signers = {name for name, process in PROCESSES.items() if is_signer(process)}
    assert signers == {name for name, process in PROCESSES.items() if "KEYSTORE" in process.needs}
    assert not signers & {"api", "webhooks", "observe", "record", "relay", "project"}


def test_only_the_api_serves() -> None:
    """The load balancer asks the process that listens, which is the one without steps."""
    serving = {name for name, each in PROCESSES.items() if each.deployment.serves}
    assert serving == {name for name, process in PROCESSES.items() if process.steps is None}


def test_a_group_scales_by_what_its_process_waits_for() -> None:
    """A process that takes from queues is measured by those queues' age; one that only follows the history is not."""
    for name, process in PROCESSES.items():
        scale = process.deployment.scale
        assert 1 <= scale.machines_min <= scale.machines_max, name
        assert (scale.by == "queue_age") == bool(scale.queue), name
        assert (scale.by == "lag") == bool(scale.metric), name
        assert (scale.by == "fixed") == (scale.machines_max == 1), name
        assert not scale.queue or scale.queue in process.access.receives, name


def test_every_queue_has_one_reader_and_somebody_who_fills_it() -> None:
    """No queue is made that nobody uses, and none is read by two kinds of process."""
    processes = document()["processes"].values()
    for queue in queues.QUEUES:
        assert sum(queue in process["receives"] for process in processes) == 1, queue
        assert any(queue in process["sends"] for process in processes), queue
