"""How AWS runs each process, and everything Terraform reads: what exists, who may use it, where it stands, how it scales.

Each process' own file says what it may ask of AWS and what its number follows, gateways/aws/names.py what exists there.
`make platform` writes all of it to terraform/platform.json, which Terraform reads; a test holds the file equal to the program.
Each process gets a machine group, an IAM role and a security group that allow what it says and nothing else (I14).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from gateways.aws import names
from gateways.postgres.roles import READER
from gateways.processes.process import Process
from gateways.processes.registry import PROCESSES
from gateways.queues import FORMER_QUEUES, QUEUES


def document() -> dict[str, Any]:
    """What Terraform reads, in names without the prefix of an installation."""
    return {
        "queues": _queues(QUEUES),
        "former_queues": _queues(FORMER_QUEUES),
        "queue_attributes": {**names.QUEUE_ATTRIBUTES, "maxReceiveCount": str(names.RECEIVES_MAX)},
        "tables": {table.name: asdict(table) for table in names.TABLES},
        "wallet_keys": {name: names.key_alias("", name) for name in names.WALLET_KEYS},
        "wrapping_keys": {name: names.key_alias("", name) for name in names.WRAPPING_KEYS},
        "secrets": [names.secret_name("", name) for name in (*names.SECRETS, *names.LOGIN_SECRETS)],
        "processes": {name: _entry(process) for name, process in PROCESSES.items()},
    }


def _queues(known: Sequence[str]) -> dict[str, Any]:
    return {
        name: {"name": names.queue_name("", name), "dead_letters": names.dead_queue_name("", name)} for name in known
    }


def is_signer(process: Process) -> bool:
    """Whether a process uses keys that move coins: it then stands in subnets that nothing reaches into."""
    access = process.access
    return bool(access.signs or access.unwraps or access.payin_keys)


def _entry(process: Process) -> dict[str, Any]:
    access = process.access
    # Who waits at queues is woken by them: only on one machine does it listen at the database, as its reader.
    woken = {READER} if process.follows_events and process.waits_at_queues else set()
    logins = tuple(role for role in access.logins if role not in woken)
    secrets = (*access.secrets, *(names.login_secret(role) for role in logins))
    return {
        "summary": process.summary,
        "role": process.role,
        "signer": is_signer(process),
        **asdict(process.deployment),
        **{each.name: getattr(access, each.name) for each in fields(access)},
        "tables": {table.name: actions for table, actions in access.tables.items()},
        "secrets": [names.secret_name("", secret) for secret in secrets],
        "logins": logins,
    }


def text() -> str:
    """terraform/platform.json."""
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")  # noqa: T201  the document is the output
