"""Whether the processes of a machine or a container go on: each leaves a sign in one folder, and `counterfoil health` looks.

Each touches its file at every round of its loop, so one that hangs within a step, where it neither works nor ends, is seen.
The round of a server is that of its event loop.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateways.telemetry.health import DOWN, STALE_S, WAITS, WITHIN, signs_of, wrong_with
from gateways.user_error import UserError

__all__ = ["DOWN", "STALE_S", "LifeSign", "folder_of", "look_after"]

SERVES_WITHIN_S: Final = 60
"""An event loop comes round many times a second: one that did not for so long answers nobody."""


class LifeSign:
    """The sign of one process. Without a folder nothing is written."""

    def __init__(self, folder: Path | None, name: str, within_s: int | None = None) -> None:
        """`within_s`: it comes round at least so often; None: as a worker does."""
        self._file = None if folder is None else folder / name
        self._begins = "" if within_s is None else f"{WITHIN}{within_s}\n"
        self._said: str | None = None

    def renew(self, waits: str = "") -> None:
        """The process has come round; `waits` says what it waits for outside, a sentence that begins with its name.

        A disk that takes nothing is one more thing to wait for.
        """
        if self._file is None:
            return
        said = self._begins + (f"{WAITS}{waits}" if waits else "")
        with contextlib.suppress(OSError):
            if said == self._said:
                self._file.touch()
            else:
                self._file.write_text(said, encoding="utf-8")
                self._said = said

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """A process that ends in order takes its sign along; one that was killed leaves it, and is missed."""
        try:
            yield
        finally:
            if self._file is not None:
                with contextlib.suppress(PermissionError):  # the folder is another user's, who takes it
                    self._file.unlink(missing_ok=True)


def folder_of(setting: Path) -> Path | None:
    """The folder that a setting names, made if it is not there; None for an empty setting."""
    if setting == Path(""):
        return None
    setting.mkdir(parents=True, exist_ok=True)
    return setting


def look_after(setting: Path, *, but: str = "", waiting: bool = True) -> list[str]:
    """What does not go on; empty when all is well. A folder without signs is not well: nothing has begun. Raises UserError.

    `but` is who asks, and need not be asked: where it is alone, all is well. Without `waiting`, who waits for something
    outside is well: starting it again would end no outage.
    """
    folder = folder_of(setting)
    if folder is None:
        raise UserError(
            "set COUNTERFOIL_PULSE to the folder that the processes were given, where they leave a sign of life"
        )
    names = signs_of(str(folder), but)
    if not names and not but:
        return [f"no process shows itself in {folder}"]
    return [said for said in (wrong_with(str(folder), name, waiting=waiting) for name in names) if said]
