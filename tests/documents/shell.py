"""A shell that runs a document's blocks one after another, as a reader would type them, and keeps what they set."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.documents.parts import ROOT, environment
from tests.documents.warm import Warm
from tests.support.patience import HANG_S

NOT_RUN: Mapping[str, str] = {
    "counterfoil up --data /var/lib/counterfoil": "it never ends: the installation beside which the others run is one",
    "counterfoil run api": "it never ends: `up` runs the same process",
    "export COUNTERFOIL_KEYSTORE_PASSPHRASE_FILE=/etc/counterfoil/passphrase": "a file of the operator's own",
    "export COUNTERFOIL_TRON_NODE_URL=https://nile.trongrid.io COUNTERFOIL_TRON_API_KEY=...": "it needs a real network",
    "counterfoil up --network nile --data /var/lib/counterfoil": "it needs a real network",
}
"""Lines that no test runs, and why."""
_SET = {
    "COLD": r"register\s+cold\s+(T\w{33})",
    "FINGERPRINT": r"fingerprint\s+(\w{4}(?:-\w{4})+)",
}
"""What a reader takes from a command's output into the next one's words."""


class Shell:
    """Runs blocks in `folder`, which it makes look like the repository: `counterfoil`, `python3` and `schema/` are there.

    To be used as a context: the program that it holds ready ends with it.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._known = folder / ".shell"
        self._known.write_text("")
        tools = folder / ".tools"
        tools.mkdir()
        (folder / "schema").symlink_to(ROOT / "schema")
        (tools / "python3").symlink_to(sys.executable)
        self._warm = Warm(tools)
        kept = environment(**settings)
        path = f"{tools}:{Path(sys.executable).parent}:{kept['PATH']}"
        self._environment = {**kept, "COLUMNS": "140", "PATH": path, "PYTHONPATH": str(ROOT)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._warm.close()

    def set(self, **variables: str) -> None:
        """For the blocks that follow."""
        self._environment |= variables

    def run(self, block: str) -> str:
        """-> what it prints, on both streams. Fails where a command of it does."""
        lines = [line for line in block.splitlines() if line not in NOT_RUN]
        script = "\n".join([f"set -euo pipefail; . '{self._known}'; set -a", *lines, f"export -p > '{self._known}'"])
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=HANG_S,
            check=False,
        )
        assert done.returncode == 0, f"{block}\nended with {done.returncode}:\n{done.stdout}"
        for name, pattern in _SET.items():
            found = re.search(pattern, done.stdout)
            if found:
                self.set(**{name: found[1]})
        return done.stdout
