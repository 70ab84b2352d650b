"""Which worker runs what, and in which order: whole files, the dearest first, so that no worker is left alone at the end.

A file is one unit of work: what its fixtures start for the whole file is started once. Files that use the one running
`installation`, or what Terraform has made once, are one unit together, and a file whose tests are dear and share nothing is as
many units as it has tests.
"""

from typing import Final

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

SECONDS: Final = {
    "tests/scanners/test_fuzz.py": 120,
    "tests/terraform/test_applied.py": 270,
    "tests/journeys/test_cold_storage.py": 90,
    "tests/journeys/test_live.py": 80,
    "tests/journeys/test_outages.py": 75,
    "tests/journeys/test_audit.py": 75,
    "tests/journeys/test_keys_on_aws.py": 60,
    "tests/signers/sweeps/test_a_thousand_deposits.py": 55,
    "tests/simulation/test_simulation.py": 55,
    "tests/simulation/test_crash_walk_of_a_sweep.py": 50,
    "tests/simulation/test_mutants.py": 50,
    "tests/terraform/test_configuration.py": 45,
    "tests/simulation/test_corpus.py": 45,
    "tests/journeys/test_drill.py": 45,
    "tests/journeys/test_demo.py": 45,
    "tests/journeys/test_treasury.py": 40,
    "tests/journeys/test_purged_aws.py": 40,
    "tests/journeys/test_reconcile_with_a_chain.py": 30,
    "tests/journeys/test_survives_sigkill.py": 30,
    "tests/signers/transactions/test_crash_walk_of_a_shared_bundle.py": 30,
    "tests/journeys/test_rows.py": 25,
    "tests/simulation/test_crash_walk.py": 20,
    "tests/signers/outgoing/test_payouts.py": 20,
    "tests/journeys/test_kill_each_process.py": 20,
    "tests/gateways/postgres/test_in_doubt.py": 20,
    "tests/journeys/test_traces.py": 15,
    "tests/journeys/test_stored_bytes.py": 15,
    "tests/simulation/test_state_machine.py": 15,
    "tests/gateways/tron/test_internal_transfers.py": 12,
    "tests/container/test_start.py": 11,
}
"""What a unit takes, roughly, where that is long; all else comes after them in the order of its name."""
ON_ONE_INSTALLATION: Final = (
    "tests/journeys/test_audit.py",
    "tests/journeys/test_guides.py",
    "tests/journeys/test_lite_node.py",
    "tests/journeys/test_readme.py",
)
ON_ONE_APPLY: Final = (
    "tests/terraform/test_applied.py",
    "tests/terraform/test_limits.py",
    "tests/terraform/rights/test_rights.py",
)
ONE_BY_ONE: Final = (
    "tests/journeys/test_demo.py",
    "tests/scanners/test_fuzz.py",
    "tests/simulation/test_crash_walk.py",
    "tests/simulation/test_crash_walk_of_a_sweep.py",
    "tests/simulation/test_mutants.py",
)


def unit_of(nodeid: str) -> str:
    """The unit that a test belongs to: a file's path, or a test's own name."""
    file = nodeid.partition("::")[0]
    for together in (ON_ONE_INSTALLATION, ON_ONE_APPLY):
        if file in together:
            return together[0]
    return nodeid if file in ONE_BY_ONE else file


def order(unit: str) -> tuple[int, str]:
    """The dearest first."""
    return (-SECONDS.get(unit.partition("::")[0], 0), unit)


class DearestFirst(LoadScopeScheduling):
    """Gives each worker that has little left the dearest unit that nobody has yet."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        self.workqueue.move_to_end(min(self.workqueue, key=order), last=False)
        super()._assign_work_unit(node)
