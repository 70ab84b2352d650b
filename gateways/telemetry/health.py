"""`counterfoil health`: the times of a few files, read with next to nothing loaded.

What watches must cost less than what it watches: on a busy machine a check that loads the program takes longer than it may, and
what was only slow is started again. So nothing is imported here but what the interpreter has anyway.
"""

import os
import sys
import time

STALE_S = 180.0
"""A round's steps are bounded and its pauses short; whoever has not come round for so long hangs."""
DOWN = "down: "
"""Begins the sign of a process that its supervisor starts again and again."""
WAITS = "waits: "
"""Begins the sign of a process that goes on, but waits for something outside."""
WITHIN = "within: "
"""Begins the sign of a process that comes round more often, with the seconds after which it hangs, on a line of their own."""
PULSE = "COUNTERFOIL_PULSE"


def signs_of(folder: str, but: str = "") -> list[str]:
    """The processes that have left a sign, but one. Raises OSError."""
    return sorted(name for name in os.listdir(folder) if name != but)


def wrong_with(folder: str, name: str, *, waiting: bool) -> str:
    """Why a process does not go on; empty when it does. Without `waiting`, who waits for something outside does."""
    path = os.path.join(folder, name)
    try:
        with open(path, encoding="utf-8") as file:
            said = file.read()
            seen_at = os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return ""  # it has just ended in order
    if said.startswith(DOWN):
        return said[len(DOWN) :]
    limit_s = STALE_S
    if said.startswith(WITHIN):
        first, _, said = said.partition("\n")
        limit_s = int(first[len(WITHIN) :])
    silent_s = time.time() - seen_at
    if silent_s > limit_s:
        return f"{name} has not come round for {silent_s:.0f} s"
    return said.removeprefix(WAITS) if waiting else ""


def quick(arguments: list[str]) -> int | None:
    """The exit code of `counterfoil health`, which has said what it has to; None where the whole command line is needed."""
    if arguments not in ([], ["--json"]):
        return None
    folder = os.environ.get(PULSE, "")
    if not folder:
        return None  # that of a `counterfoil up` in the data folder, if one runs
    try:
        names = signs_of(folder)
    except OSError:
        return None
    if not names:
        said = dead = [f"no process shows itself in {folder}"]
    else:
        said = [it for it in (wrong_with(folder, name, waiting=True) for name in names) if it]
        dead = [it for it in (wrong_with(folder, name, waiting=False) for name in names) if it]
    if arguments:
        import json

        shown = json.dumps({"alive": not dead, "problems": said}, indent=2, ensure_ascii=False)
    else:
        shown = "\n".join(said) or "all processes are alive"
    sys.stdout.write(f"{shown}\n")
    return 1 if dead else 0
