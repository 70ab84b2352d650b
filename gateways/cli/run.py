"""`counterfoil run`: one process, in the foreground."""

from typing import Annotated

from cyclopts import Parameter

from gateways import settings as settings_module
from gateways.cli.console import Data
from gateways.processes.registry import PROCESSES
from gateways.processes.run import run_process


def command(
    process: Annotated[str, Parameter(help="Which one: its name, from the list above")], /, *, data: Data = None
) -> None:
    run_process(process, settings_module.load() if data is None else settings_module.load(data=data))


def _every_process() -> str:
    lines = [
        f"* `{process.name}`: {process.summary} Needs {', '.join(process.needs)}." for process in PROCESSES.values()
    ]
    return "One process, in the foreground, until SIGTERM.\n\n" + "\n".join(lines)


command.__doc__ = _every_process()
