"""What a process is: its name, its work, its database role, what it needs, what it may ask of AWS, and how it scales.

Each process says all of this once, in the file of its name beside this one.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from gateways.aws.names import Table
from gateways.steps import Step
from gateways.wiring.platform import Platform

DATABASE: Final = ("DATABASE_URL",)
NODE: Final = ("NETWORK", "TRON_NODE_URL", "USDT_CONTRACT")
KEYS: Final = ("KEYSTORE", "KEYSTORE_PASSPHRASE")
SIGNER_LIMITS: Final = ("SIGNER_PAYOUT_MAX", "SIGNER_HOUR_MAX", "SIGNER_DAY_MAX", "SIGNER_APPROVERS")


@dataclass(frozen=True)
class Access:
    """All that one kind of process may do in AWS; everything else is denied to it."""

    sends: tuple[str, ...] = ()
    receives: tuple[str, ...] = ()
    """Which includes deleting, extending, and sending to the queue's dead letters."""
    sends_formerly: tuple[str, ...] = ()
    receives_formerly: tuple[str, ...] = ()
    """Of FORMER_QUEUES: what the version before asks for, which runs beside this one in a roll-out and may come back (I22)."""
    tables: Mapping[Table, tuple[str, ...]] = field(default_factory=dict)
    """Table -> the actions of DynamoDB that it asks for there, a transaction's one by one."""
    audits: bool = True
    """Whether it may put into audit_logs, as every process notes what it does; only the API, which has the table, reads it."""
    secrets: tuple[str, ...] = ()
    """Of SECRETS."""
    logins: tuple[str, ...] = ()
    """Database roles whose secret it reads."""
    signs: tuple[str, ...] = ()
    """Of WALLET_KEYS: those it may sign with."""
    knows: tuple[str, ...] = ()
    """Of WALLET_KEYS: those whose public key it may ask for."""
    unwraps: tuple[str, ...] = ()
    """Of WRAPPING_KEYS."""
    archives: bool = False
    """Whether it may put objects into the bucket of checkpoints, and read them; nobody may remove or replace one."""
    reads_archive: bool = False
    """Whether it may read them, and nothing more."""
    payin_keys: Literal["", "makes", "signs"] = ""
    """With PAYIN_KEYS=kms: whether it makes keys with payin aliases, or signs with them; nobody does both."""


@dataclass(frozen=True)
class Scale:
    """What the number of machines follows.

    `cpu`: the work of answering. `queue_age`: the seconds that the oldest message of `queue` has waited. `lag`: the CloudWatch
    metric `metric`, in seconds, that the process reports of itself. `fixed`: one does the work; a second would only take turns.
    """

    by: Literal["cpu", "queue_age", "lag", "fixed"]
    queue: str = ""
    metric: str = ""
    machines_min: int = 1
    machines_max: int = 1


@dataclass(frozen=True)
class Deployment:
    """Where a process stands and what it reaches."""

    scale: Scale = Scale("fixed")
    reaches: tuple[Literal["nodes", "webhooks"], ...] = ()
    """What it may reach outside: Tron nodes, or whatever endpoints the clients have."""
    serves: bool = False
    """Whether the load balancer asks it."""


@dataclass(frozen=True)
class Process:
    """A process: `steps` gives what its loop calls; one that answers requests `serve`s instead, until it is told to stop."""

    name: str
    summary: str
    role: str
    """Its database login, which bounds what it may write (I14)."""
    needs: tuple[str, ...]
    """Settings without which it cannot start."""
    access: Access
    deployment: Deployment
    steps: Callable[[Platform], Sequence[Step]] | None = None
    serve: Callable[[Platform, socket.socket | None], None] | None = None
    """With a socket that listens for it already, if somebody has taken its port."""
    follows_events: bool = False
    """Woken by new events; the others rest for a while when they had nothing to do."""
    idle_s: float = 0.25
    public_idle_s: float = 0.25
    """The rest where every look is a question to a public node, whose blocks come every 3 s."""
    waits_at_queues: bool = False
    """On AWS its steps wait for messages, and are not woken otherwise."""
