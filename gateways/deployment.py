"""How AWS runs each process, and everything Terraform is told: what exists, who may use it, where it stands, how it scales.

One source for three readers. gateways/processes.py says which processes there are, gateways/aws/names.py what exists in AWS and
who may use it, this file where a process stands and what its number follows. `make platform` writes all of it to
terraform/platform.json, which Terraform reads; a test holds the lists and the file equal. Whoever adds a process says here
what it needs, and gets a machine group, an IAM role and a security group that allow this and nothing else (I14).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from gateways.aws import names
from gateways.processes import PROCESSES


@dataclass(frozen=True)
class Scale:
    """What the number of machines follows.

    `cpu`: the work of answering. `queue_age`: the seconds that the oldest message of `queues` has waited. `lag`: the CloudWatch
    metric `metric`, in seconds, that the process tells of itself. `fixed`: one does the work; a second would only take turns.
    """

    by: Literal["cpu", "queue_age", "lag", "fixed"]
    queues: tuple[str, ...] = ()
    metric: str = ""
    machines_min: int = 1
    machines_max: int = 1


@dataclass(frozen=True)
class Deployment:
    """Where a process stands and what it reaches."""

    scale: Scale
    reaches: tuple[Literal["nodes", "webhooks"], ...] = ()
    """What it may reach outside: Tron nodes, or whatever endpoints the clients have."""
    serves: bool = False
    """Whether the load balancer asks it."""


DEPLOYMENTS: Final[Mapping[str, Deployment]] = {
    "api": Deployment(Scale("cpu", machines_min=2, machines_max=8), serves=True),
    "relay": Deployment(Scale("fixed")),
    "observe": Deployment(Scale("fixed"), reaches=("nodes",)),
    "record": Deployment(Scale("queue_age", queues=(names.DEPOSIT_EVENTS,), machines_max=4)),
    # One takes every view through a batch together, read and decoded once: a second would only take turns with it.
    "project": Deployment(Scale("fixed")),
    "rebuild": Deployment(Scale("fixed")),
    "payouts": Deployment(Scale("fixed"), reaches=("nodes",)),
    "sweeps": Deployment(Scale("fixed"), reaches=("nodes",)),
    "addresses": Deployment(Scale("fixed")),
    "checkpoints": Deployment(Scale("fixed")),
    "webhooks": Deployment(Scale("lag", metric="webhook_backlog_seconds", machines_max=4), reaches=("webhooks",)),
}
"""By process, as gateways/processes.py names them."""


def document() -> dict[str, Any]:
    """What Terraform is told, in names without the prefix of an installation."""
    return {
        "queues": {
            name: {"name": names.queue_name("", name), "dead_letters": names.dead_queue_name("", name)}
            for name in names.QUEUES
        },
        "queue_attributes": {**names.QUEUE_ATTRIBUTES, "maxReceiveCount": str(names.RECEIVES_MAX)},
        "tables": {table.name: asdict(table) for table in names.TABLES},
        "wallet_keys": {name: names.key_alias("", name) for name in names.WALLET_KEYS},
        "wrapping_keys": {name: names.key_alias("", name) for name in names.WRAPPING_KEYS},
        "secrets": [names.secret_name("", name) for name in (*names.SECRETS, *names.LOGIN_SECRETS)],
        "processes": {name: _process(name) for name in DEPLOYMENTS},
    }


def is_signer(name: str) -> bool:
    """Whether a process uses keys that move coins: it then stands in subnets that nothing reaches into."""
    access = names.ACCESS[name]
    return bool(access.signs or access.unwraps or access.payin_keys)


def _process(name: str) -> dict[str, Any]:
    access = names.ACCESS[name]
    secrets = (*access.secrets, *(names.login_secret(role) for role in access.logins))
    return {
        "summary": PROCESSES[name].summary,
        "role": PROCESSES[name].role,
        "signer": is_signer(name),
        **asdict(DEPLOYMENTS[name]),
        **asdict(access),
        "tables": [table.name for table in access.tables],
        "secrets": [names.secret_name("", secret) for secret in secrets],
    }


def text() -> str:
    """terraform/platform.json."""
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")  # noqa: T201  the document is the output
