"""Whether the processes of a machine or a container go on: each leaves a sign in one folder, and `counterfoil health` looks.

A worker touches its file at every round of its loop, so one that hangs within a step, where it neither works nor ends, is
seen. The API is asked over HTTP.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2

from gateways.user_error import UserError

STALE_S: Final = 180.0
"""A round's steps are bounded and its pauses short; whoever has not come round for so long hangs."""
DOWN: Final = "down: "
"""Begins the sign of a process that its supervisor starts again and again."""
WAITS: Final = "waits: "
"""Begins the sign of a process that goes on, but waits for something outside."""
ASK_S: Final = 3.0


class LifeSign:
    """The sign of one process. Without a folder nothing is written."""

    def __init__(self, folder: Path | None, name: str) -> None:
        self._file = None if folder is None else folder / name
        self._said: str | None = None

    def renew(self, waits: str = "") -> None:
        """The process has come round; `waits` says what it waits for outside, a sentence that begins with its name.

        A disk that takes nothing is one more thing to wait for.
        """
        if self._file is None:
            return
        said = f"{WAITS}{waits}" if waits else ""
        with contextlib.suppress(OSError):
            if said == self._said:
                self._file.touch()
            else:
                self._file.write_text(said, encoding="utf-8")
                self._said = said

    @contextlib.contextmanager
    def serving(self, host: str, port: int) -> Iterator[None]:
        """The process is a server: it is asked where it listens."""
        if self._file is not None:
            where = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104  what is listened to, not asked
            self._file.write_text(f"http://{where}:{port}/healthz", encoding="utf-8")
        with self.ending():
            yield

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
    signs = sorted(each for each in folder.iterdir() if each.name != but)
    if not signs and not but:
        return [f"no process shows itself in {folder}"]
    return [said for said in (_wrong_with(sign, waiting=waiting) for sign in signs) if said]


def _wrong_with(sign: Path, *, waiting: bool) -> str:
    try:
        said, seen_at = sign.read_text(encoding="utf-8"), sign.stat().st_mtime
    except FileNotFoundError:
        return ""  # it has just ended in order
    if said.startswith(DOWN):
        return said.removeprefix(DOWN)
    if said and not said.startswith(WAITS):
        return _unanswered(sign.name, said)
    silent_s = time.time() - seen_at
    if silent_s > STALE_S:
        return f"{sign.name} has not come round for {silent_s:.0f} s"
    return said.removeprefix(WAITS) if waiting else ""


def _unanswered(name: str, url: str) -> str:
    try:
        status = httpx2.get(url, timeout=ASK_S).status_code
    except httpx2.TransportError as error:
        return f"{name} does not answer at {url}: {error}"
    return "" if status == 200 else f"{name} answers {status} at {url}"
