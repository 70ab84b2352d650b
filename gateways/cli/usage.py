"""A wrong call as one sentence: which argument is missing, unknown or unreadable, and where to look."""

import re

from cyclopts.exceptions import CycloptsError, MissingArgumentError, UnknownCommandError, UnusedCliTokensError


def worded(error: BaseException) -> str:
    """The parser's error in plain words; its own where they are plain enough."""
    assert isinstance(error, CycloptsError)
    where = " ".join(("counterfoil", *(error.command_chain or ()), "--help"))
    return f"{_said(error)}: see `{where}`"


def _said(error: CycloptsError) -> str:
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        return f"{error.argument.name} is missing"
    if isinstance(error, UnusedCliTokensError):
        return f"there is no place for {' '.join(error.unused_tokens or ())} here"
    said = " ".join(str(error).split())
    if isinstance(error, UnknownCommandError) and error.unused_tokens:
        meant = re.search(r'Did you mean "([^"]+)"', said)
        return f"there is no command {error.unused_tokens[0]!r}{f', did you mean {meant[1]!r}?' if meant else ''}"
    return said.rstrip(".")
