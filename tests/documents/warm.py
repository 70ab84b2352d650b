"""A `counterfoil` that has everything imported before it is called: a page of seventy commands costs a third of the time.

`Warm` starts a Python that has loaded every command and waits at a socket in a folder. The script beside the socket is called
like the program: it hands over its words, folder, environment and three streams, and ends as the command, run in a fork,
ends. What a cold start is like is for tests/gateways/cli/ to see.
"""

import array
import json
import os
import pkgutil
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

from tests.support.patience import HANG_S

ROOT: Final = Path(__file__).parents[2]
SOCKET: Final = "warm"
CALL: Final = """#!{python} -IS
import array, json, os, socket, sys
with socket.socket(socket.AF_UNIX) as door:
    door.connect({socket!r})
    streams = array.array("i", [0, 1, 2])
    door.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
    with door.makefile("rwb") as file:
        file.write(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode() + b"\\n")
        file.flush()
        os._exit(int(file.readline() or b"70"))
"""


class Warm:
    """The waiting Python of one folder, until `close`; it ends with who started it, too."""

    def __init__(self, folder: Path) -> None:
        """`folder` gets the socket and the program `counterfoil`."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.documents.warm", str(folder / SOCKET)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"warm\n"
        program = folder / "counterfoil"
        program.write_text(CALL.format(python=sys.executable, socket=str(folder / SOCKET)))
        program.chmod(0o755)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(HANG_S)


def _load() -> None:
    """Every command, and what a command imports when it opens an installation."""
    import gateways.cli as cli

    for module in pkgutil.walk_packages(cli.__path__, "gateways.cli."):
        import_module(module.name)
    import gateways.wiring.opened  # noqa: F401


def _serve(path: str) -> None:
    """Until the starter has gone: each call in a fork of its own."""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen()
        print("warm", flush=True)
        if os.fork():
            sys.stdin.buffer.read()
            os.killpg(0, 15)
        while True:
            caller, _ = door.accept()
            if not os.fork():
                door.close()
                _answer(caller)
            caller.close()


def _answer(caller: socket.socket) -> None:
    """Run the command and tell how it ended. Never returns."""
    _, ancillary, _, _ = caller.recvmsg(1, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    streams = array.array("i", ancillary[0][2])
    with caller.makefile("rwb") as file:
        words, folder, environment = json.loads(file.readline())
        command = os.fork()
        if not command:
            _run(words, folder, environment, streams)
        _, status = os.waitpid(command, 0)
        file.write(b"%d\n" % (os.waitstatus_to_exitcode(status) & 0xFF))
        file.flush()
    os._exit(0)


def _run(words: list[str], folder: str, environment: dict[str, str], streams: "array.array[int]") -> None:
    """As `python -m gateways` would. Never returns."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["counterfoil", *words]
    from gateways.cli.app import main

    code: object = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    os.setpgid(0, 0)
    _load()
    _serve(sys.argv[1])
