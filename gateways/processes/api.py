"""The process `api`: answers HTTP."""

import socket
from typing import Final

from gateways.aws.names import (
    API_KEYS,
    AUDIT_LOGS,
    FOR_API,
    FOR_NODE,
    FOR_STATEMENTS,
    FOR_WEBHOOKS,
    IDEMPOTENCY_KEYS,
    WEBHOOK_EVENTS,
)
from gateways.postgres.roles import API, READER
from gateways.processes.process import DATABASE, Access, Deployment, Process, Scale
from gateways.wiring.platform import Platform


def serve(platform: Platform, listening: socket.socket | None = None) -> None:
    """Returns when the process is told to stop and every request is answered."""
    from gateways.http import app

    app.serve(platform, listening)


PROCESS: Final = Process(
    "api",
    "Serves HTTP: commands, queries, docs, metrics.",
    API,
    needs=(*DATABASE, "HTTP_HOST", "HTTP_PORT"),
    access=Access(
        tables={
            API_KEYS: ("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem"),
            IDEMPOTENCY_KEYS: ("PutItem", "UpdateItem", "DeleteItem"),
            WEBHOOK_EVENTS: ("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem"),
            AUDIT_LOGS: ("Query",),
        },
        secrets=(FOR_API, FOR_WEBHOOKS, FOR_STATEMENTS, FOR_NODE),
        logins=(API, READER),
    ),
    deployment=Deployment(Scale("cpu", machines_min=2, machines_max=8), serves=True),
    serve=serve,
)
