"""MODE=aws: the same platform as on one machine, with SQS, DynamoDB and Secrets Manager in the place of tables and a file."""

from dataclasses import replace

from pydantic import SecretStr

from core.ports.queues import Queue
from gateways import queues
from gateways.aws.api_keys import DynamoApiKeys
from gateways.aws.audit_log import DynamoAuditLog
from gateways.aws.bodies import sent_bytes
from gateways.aws.bundles import BundledQueue
from gateways.aws.first_attempts import FirstAttempts
from gateways.aws.idempotency_keys import DynamoIdempotencyKeys
from gateways.aws.logins import database_of
from gateways.aws.names import BODY_BYTES_MAX, FOR_API, FOR_NODE
from gateways.aws.queue import SqsQueue
from gateways.aws.receivers.received_ahead import ReceivedAhead
from gateways.aws.secrets import AwsSecrets, SecretStore
from gateways.aws.session import Aws
from gateways.aws.webhook_outbox import DynamoWebhookOutbox
from gateways.postgres.event_store import PostgresEventStore
from gateways.postgres.roles import API, OBSERVER, SIGNER, WEBHOOKS
from gateways.postgres.segments import FullSegments
from gateways.postgres.set_aside_letters import SetAsideLetters
from gateways.postgres.unsettled_webhooks import UnsettledWebhooks
from gateways.settings import Settings
from gateways.wiring.on_postgres import on_postgres
from gateways.wiring.platform import Platform, utc_now


def aws(settings: Settings, role: str) -> Platform:
    """The platform as `role` sees it. What this role does not need is not asked for: it may not (I14)."""
    services = Aws(settings)
    secrets = SecretStore(services)
    settings = with_secrets(settings, role, secrets)
    logins = database_of(settings, secrets).role_urls
    base, connections = on_postgres(settings, AwsSecrets(secrets, utc_now), logins, role)
    assert isinstance(base.store, PostgresEventStore)
    unsettled = UnsettledWebhooks(connections)
    table = DynamoWebhookOutbox(services, unsettled)
    outbox = FirstAttempts(table, unsettled) if role == WEBHOOKS else table

    def close() -> None:
        outbox.close()
        base.close()

    return replace(
        base,
        api_keys=DynamoApiKeys(services),
        idempotency_keys=DynamoIdempotencyKeys(services),
        outbox=outbox,
        audit=DynamoAuditLog(services),
        queues={
            name: queue(services, name, settings.queue_poll_s, SetAsideLetters(connections, name))
            for name in queues.QUEUES
        },
        segments=FullSegments(base.store.datastore, bytes_max=BODY_BYTES_MAX, sent_bytes=sent_bytes),
        close=close,
    )


def queue(services: Aws, name: str, poll_s: int, aside: SetAsideLetters) -> Queue:
    """A queue as its receiver wants it: the signer has more to do than to wait for one, recorder and projectors have not."""
    waited_for = SqsQueue(services, name, poll_s=poll_s, aside=aside)
    match name:
        case queues.DEPOSIT_EVENTS:
            return BundledQueue(waited_for)
        case queues.PAYOUT_REQUESTS:  # a message wakes: one that a poll brings to a process that has ended is no loss
            return ReceivedAhead(waited_for)
        case _:
            return waited_for


def with_secrets(settings: Settings, role: str, secrets: SecretStore) -> Settings:
    """Settings that are secrets come from the secret store, unless they were given."""
    given: dict[str, SecretStr] = {}
    if role == API and not settings.operator_api_key.get_secret_value():
        given["operator_api_key"] = SecretStr(secrets.fields(FOR_API).get("operator_api_key", ""))
    asks_nodes = role in (API, OBSERVER, SIGNER)
    if asks_nodes and not settings.tron_api_key.get_secret_value() and secrets.exists(FOR_NODE):
        given["tron_api_key"] = SecretStr(secrets.fields(FOR_NODE).get("tron_api_key", ""))
    return settings.model_copy(update=given)
