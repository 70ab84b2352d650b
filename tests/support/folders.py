"""Where temporary folders lie: in memory, where there is room for them, since no test waits for a disk to prove anything.

Databases ask for every commit to be on disk, and a disk that others use answers in its own time. A process that is killed
loses nothing of what it has written to a folder in memory either.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")
ROOM_BYTES: Final = 6 << 30


def in_memory() -> None:
    """For this process and those that it starts. Whoever sets TMPDIR has chosen."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM_BYTES:
        return
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)
