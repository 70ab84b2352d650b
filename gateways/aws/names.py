"""Everything that must exist in AWS, as data: queues, tables, secrets, keys, and which process may use which.

terraform/ makes these and nothing else that the program asks for; a test holds the two equal. A name here is its name in
AWS behind the setting AWS_PREFIX, which is empty unless two installations share an account and a region.
"""

from dataclasses import dataclass
from typing import Final

from gateways.postgres.roles import LOGINS

FIFO: Final = ".fifo"
DEAD: Final = "-dead"

MESSAGE_BYTES_MAX: Final = 1_048_576
"""MaximumMessageSize, of a queue and of its dead letters: the most SQS takes, for a message and for a batch."""
BODY_BYTES_MAX: Final = MESSAGE_BYTES_MAX - 8_192
"""Of a body, in the form in which it is sent: reason, group and attempts of a dead letter count, too."""
VISIBILITY_S: Final = 60
RETENTION_S: Final = 14 * 24 * 3600
"""Of a queue and of its dead letters: the longest there is."""
RECEIVES_MAX: Final = 1_000
"""maxReceiveCount: the highest there is. The program buries poison itself, with the reason; a deposit that comes again
because the database is shut is none. This is for what ends a process before it can say so."""
QUEUE_ATTRIBUTES: Final = {
    "FifoQueue": "true",
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "messageGroup",
    "FifoThroughputLimit": "perMessageGroupId",
    "MaximumMessageSize": str(MESSAGE_BYTES_MAX),
    "MessageRetentionPeriod": str(RETENTION_S),
    "VisibilityTimeout": str(VISIBILITY_S),
    "SqsManagedSseEnabled": "true",
}
"""Of a queue and of its dead letters alike; RedrivePolicy, which is the queue's alone, has RECEIVES_MAX."""


def queue_name(prefix: str, name: str) -> str:
    """deposit-events -> deposit-events.fifo"""
    return f"{prefix}{name}{FIFO}"


def dead_queue_name(prefix: str, name: str) -> str:
    """deposit-events -> deposit-events-dead.fifo"""
    return f"{prefix}{name}{DEAD}{FIFO}"


# Tables
@dataclass(frozen=True)
class Index:
    """A global secondary index. It holds the keys alone: what is found by it is read from the table, which is not behind."""

    name: str
    hash_key: str
    range_key: str | None = None


@dataclass(frozen=True)
class Table:
    """A table, billed per request, with point-in-time recovery. Every key is a string; items expire by `ttl`."""

    name: str
    hash_key: str
    range_key: str | None = None
    indexes: tuple[Index, ...] = ()
    ttl: str = "ttl"


API_KEYS: Final = Table("api_keys", "api_key_hash", indexes=(Index("account_id", "account_id"),))
IDEMPOTENCY_KEYS: Final = Table("idempotency_keys", "key", indexes=(Index("account_id", "account_id"),))
WEBHOOK_EVENTS: Final = Table(
    "webhook_events",
    "account_id",
    "event_id",
    indexes=(Index("status-next_retry_at", "status", "next_retry_at"),),
)
AUDIT_LOGS: Final = Table("audit_logs", "account_id", "timestamp")
SIGNER_STATE: Final = Table("signer_state", "name")
"""What signers know by themselves, whatever the database says: items of theirs alone, changed by condition, never deleted."""
TABLES: Final = (API_KEYS, IDEMPOTENCY_KEYS, WEBHOOK_EVENTS, AUDIT_LOGS, SIGNER_STATE)

# Keys
HOT: Final = "hot"
GAS: Final = "gas"
SEED: Final = "seed"
WALLET_KEYS: Final = (HOT, GAS)
"""KeySpec ECC_SECG_P256K1, KeyUsage SIGN_VERIFY: each signs for one wallet."""
WRAPPING_KEYS: Final = (SEED,)
"""KeySpec SYMMETRIC_DEFAULT, KeyUsage ENCRYPT_DECRYPT: opens the seed of the deposit addresses (PAYIN_KEYS=derived)."""


def key_alias(prefix: str, name: str) -> str:
    """hot -> alias/counterfoil-hot"""
    return f"alias/{prefix}counterfoil-{name}"


def payin_alias(prefix: str, address: str) -> str:
    """The alias of one deposit address's own key (PAYIN_KEYS=kms), which the process `addresses` creates."""
    return key_alias(prefix, f"payin-{address}")


# Secrets
FOR_API: Final = "api"
FOR_WEBHOOKS: Final = "webhooks"
FOR_FACTS: Final = "deposit-facts"
FOR_SEED: Final = "deposit-seed"
FOR_NODE: Final = "tron-node"
FOR_CHECKPOINTS: Final = "checkpoints"
FOR_STATEMENTS: Final = "statements"

SECRETS: Final = {
    FOR_API: ("api_key_pepper", "position_key", "operator_api_key"),
    FOR_WEBHOOKS: ("webhook_master",),
    FOR_FACTS: ("deposit_fact_key",),
    FOR_SEED: ("seed_id", "data_key", "nonce", "ciphertext"),
    FOR_NODE: ("tron_api_key",),
    FOR_CHECKPOINTS: ("checkpoint_seed",),
    FOR_STATEMENTS: ("statement_seed",),
}
"""Name -> the fields of its JSON object, all strings. Peppers, masters and keys are 32 bytes in hex. `counterfoil secrets
make` fills what is empty; tron-node may stay without a value."""
OWNER_LOGIN: Final = "database/owner"
"""Who migrates. RDS names the secret it manages itself: then DATABASE_OWNER_SECRET has its ARN."""


def secret_name(prefix: str, name: str) -> str:
    """api -> counterfoil/api"""
    return f"{prefix}counterfoil/{name}"


def login_secret(role: str) -> str:
    """counterfoil_recorder -> database/recorder: what secret_name takes for a role of gateways/postgres/roles.py."""
    return f"database/{role.removeprefix('counterfoil_')}"


LOGIN_SECRETS: Final = tuple(login_secret(role) for role in LOGINS)
