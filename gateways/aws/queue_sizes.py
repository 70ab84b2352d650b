"""Queues that take the largest message SQS knows.

Terraform's provider makes them for a quarter of it; `counterfoil migrate` widens them before any process sends.
"""

from typing import Final

from gateways.aws.names import MESSAGE_BYTES_MAX, dead_queue_name, queue_name
from gateways.aws.outages import reaching
from gateways.aws.session import Aws
from gateways.queues import QUEUES

_SIZE: Final = "MaximumMessageSize"


def widen(aws: Aws) -> list[str]:
    """-> the queues that took less until now. Nothing is ever made narrower. Safe to run twice."""
    sqs = aws.client("sqs")
    widened = []
    for name in [
        name for queue in QUEUES for name in (dead_queue_name(aws.prefix, queue), queue_name(aws.prefix, queue))
    ]:
        with reaching(name):
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            taken = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[_SIZE])["Attributes"][_SIZE]
            if int(taken) < MESSAGE_BYTES_MAX:
                sqs.set_queue_attributes(QueueUrl=url, Attributes={_SIZE: str(MESSAGE_BYTES_MAX)})
                widened.append(name)
    return widened
