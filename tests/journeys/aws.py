"""A whole installation in MODE=aws, for journeys."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateways.embedded_postgres import EmbeddedPostgres
from gateways.settings import Settings
from tests.journeys.conftest import ROOT, Installation
from tests.support.aws import REAL, made_everything


@contextmanager
def installation(settings: Settings, **more: str) -> Iterator[Installation]:
    """`counterfoil up` on the emulator, with a Postgres of its own. `more` are settings."""
    with tempfile.TemporaryDirectory(prefix="cf-aws-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder) / "pg")
        try:
            bucket = "" if REAL else f"{settings.aws_prefix}checkpoints"  # on AWS, what is locked in it would stay
            settings = settings.model_copy(update={"checkpoint_bucket": bucket, **more})
            with made_everything(settings, server.url):
                running = Installation(
                    Path(folder) / "data",
                    mode="aws",
                    aws_endpoint_url=settings.aws_endpoint_url,
                    aws_region=settings.aws_region,
                    aws_prefix=settings.aws_prefix,
                    checkpoint_bucket=bucket,
                    database_url=server.url,
                    webhook_allow_loopback="true",
                    address_pool="10",
                    **more,
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
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def reconcile(running: Installation) -> None:
    """Books, guard, views and chain agree."""
    command(running, "reconcile")
