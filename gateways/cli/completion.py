"""`counterfoil completion`: what a shell needs to complete commands and their options."""

from typing import Annotated, Literal

from cyclopts import Parameter


def command(shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="Which one")], /) -> None:
    """Print a script: `source <(counterfoil completion bash)`, or a file in the shell's folder of completions."""
    from gateways.cli.app import command_line

    print(command_line().generate_completion(shell=shell))  # noqa: T201  the script is the output
