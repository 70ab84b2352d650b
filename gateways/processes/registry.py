"""Every process there is, collected from one file a process, for `run`, `up`, Terraform and the documentation."""

from typing import Final

from gateways.processes import (
    addresses,
    api,
    checkpoints,
    observe,
    payouts,
    project,
    rebuild,
    reconcile,
    record,
    relay,
    sweeps,
    webhooks,
)
from gateways.processes.process import Process

PROCESSES: Final[dict[str, Process]] = {
    process.name: process
    for process in (
        api.PROCESS,
        relay.PROCESS,
        observe.PROCESS,
        record.PROCESS,
        project.PROCESS,
        rebuild.PROCESS,
        payouts.PROCESS,
        sweeps.PROCESS,
        addresses.PROCESS,
        checkpoints.PROCESS,
        webhooks.PROCESS,
        reconcile.PROCESS,
    )
}
"""By name, in the order in which `up` starts them."""
