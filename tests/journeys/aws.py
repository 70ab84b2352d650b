"""A whole installation in MODE=aws, for journeys."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from gateways.aws import names
from gateways.aws.session import Aws
from gateways.postgres.server import EmbeddedPostgres
from gateways.processes.registry import PROCESSES
from gateways.settings import Settings
from tests.journeys.conftest import ROOT, Installation
from tests.support.aws import REAL, made_everything
from tests.support.emulator import ASKED
from tests.support.patience import HANG_S


@contextmanager
def installation(settings: Settings, *, block_ms: int = 60, **more: str) -> Iterator[Installation]:
    """`counterfoil up` on the emulator, with a Postgres of its own. `more` are settings."""
    with tempfile.TemporaryDirectory(prefix="cf-aws-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder) / "pg")
        try:
            bucket = "" if REAL else f"{settings.aws_prefix}checkpoints"  # on AWS, what is locked in it would stay
            settings = settings.model_copy(update={"checkpoint_bucket": bucket, **more})
            if not REAL:
                httpx2.delete(f"{settings.aws_endpoint_url}{ASKED}", timeout=HANG_S).raise_for_status()
            with made_everything(settings, server.url):
                running = Installation(
                    Path(folder) / "data",
                    block_ms=block_ms,
                    mode="aws",
                    aws_endpoint_url=settings.aws_endpoint_url,
                    aws_region=settings.aws_region,
                    aws_prefix=settings.aws_prefix,
                    checkpoint_bucket=bucket,
                    database_url=server.url,
                    **{"webhook_allow_loopback": "true", "address_pool": "10", "queue_poll_s": "2", **more},
                ).start()
                try:
                    yield running
                    assert REAL or "ALARM process_down" not in "".join(running.output)
                finally:
                    running.stop()
        finally:
            server.stop()


def command(running: Installation, *words: str) -> "subprocess.CompletedProcess[str]":
    """`counterfoil ...` in the same mode, beside what runs. It must end with 0."""
    given = {**running.settings, "tron_node_url": running.devnet, "data": str(running.data)}
    done = subprocess.run(
        [sys.executable, "-m", "gateways", *words],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", **{f"COUNTERFOIL_{key.upper()}": value for key, value in given.items()}},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def reconcile(running: Installation) -> None:
    """Books, guard, views and chain agree."""
    command(running, "reconcile")


Call = tuple[str, str, str, str]
"""(process, service, operation, resource)"""


def asked(running: Installation, aws: Aws) -> list[Call]:
    """Everything that its processes have asked of the emulator; commands and the supervisor have rights of their own."""
    pages = aws.client("kms").get_paginator("list_aliases").paginate()
    aliases = {
        each["TargetKeyId"]: each["AliasName"] for page in pages for each in page["Aliases"] if "TargetKeyId" in each
    }
    answer = httpx2.get(f"{running.settings['aws_endpoint_url']}{ASKED}", timeout=HANG_S).json()
    calls = [(process, service, operation, aliases.get(name, name)) for process, service, operation, name in answer]
    return [call for call in calls if call[0] in PROCESSES]


def beyond_its_access(call: Call, prefix: str) -> bool:
    """Whether AWS would have refused: terraform gives each process what its own file says, and nothing else."""
    process, service, operation, resource = call
    access = PROCESSES[process].access
    match service:
        case "sqs":
            name = resource.removeprefix(prefix).removesuffix(names.FIFO)
            mine = {*access.receives, *(each + names.DEAD for each in access.receives)}
            return name not in mine | {*access.sends} if operation != "ReceiveMessage" else name not in access.receives
        case "dynamodb":
            tables = {table.name for table in access.tables} | ({names.AUDIT_LOGS.name} if access.audits else set())
            return resource.removeprefix(prefix) not in tables
        case "secretsmanager":
            logins = map(names.login_secret, access.logins)
            return resource not in {names.secret_name(prefix, each) for each in (*access.secrets, *logins)}
        case "kms":
            if access.payin_keys and (resource.startswith(names.payin_alias(prefix, "")) or resource == "/"):
                return operation not in (
                    "CreateKey",
                    "ListAliases",
                    "ListKeys",
                    "ListResourceTags",
                    "CreateAlias",
                    "GetPublicKey",
                    "Sign",
                    "DescribeKey",
                )
            may = {"Sign": access.signs, "GetPublicKey": (*access.knows, *access.signs), "Decrypt": access.unwraps}
            return resource not in {names.key_alias(prefix, each) for each in may.get(operation, ())}
        case "s3":
            return not (access.archives or (access.reads_archive and operation == "GET" and resource.endswith(".json")))
    return True
