"""What every command shares: the console, the installation's folder, and settings with what the command line says instead."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateways import settings as settings_module

Data = Annotated[Path | None, Parameter(help="Folder of the embedded database, keystore and chain")]

console = Console(highlight=False)


def settings_with(**overrides: Any) -> settings_module.Settings:
    """The environment's settings, and what the command line says instead; None is what it does not say."""
    given = {name: value for name, value in overrides.items() if value is not None}
    return settings_module.load(**given)


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
