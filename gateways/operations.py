"""What the command line's maintenance commands do: migrate, rebuild, reconcile, scan, show settings."""

import os
import time
from collections.abc import Iterator, Sequence
from typing import Final

import psycopg
from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from core.books import WALLET_ACCOUNTS
from core.money import format_amount
from core.tron import Address
from gateways.migrate import migrate
from gateways.platform import Platform, open_database, open_platform
from gateways.secrets_file import load_or_create
from gateways.settings import PREFIX, Settings
from gateways.user_error import UserError

__all__ = ["UserError"]

QUIET_POLL_S: Final = 0.2


def migrate_database(settings: Settings) -> list[str]:
    """-> the migrations applied now."""
    kept = load_or_create(settings.data / "secrets.json")
    database = open_database(settings, kept)
    return migrate(database.owner_url, kept.role_passwords if database.server else None)


def describe_settings(settings: Settings) -> Iterator[tuple[str, str, str, str]]:
    """(name, value, source, sentence) of every setting; a secret shows only whether it is set."""
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            shown = "********" if value.get_secret_value() else "(not set)"
        else:
            shown = str(value) if str(value) not in ("", ".") else "(not set)"
        variable = PREFIX + name.upper()
        source = "environment" if variable in os.environ else "default"
        yield variable, shown, source, field.description or ""


def progress(console: Console) -> Progress:
    """A bar on a terminal, nothing elsewhere: lines are printed then."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
