"""An installation whose processes run one by one, each as the program of before or as the present one: for a roll-out."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx2
import pytest

from gateways.embedded.secrets_file import load_or_create
from gateways.postgres.server import EmbeddedPostgres
from gateways.processes.confinement.shares import make_keystore
from gateways.processes.registry import PROCESSES
from gateways.processes.up import free_port
from gateways.settings import load
from tests.journeys.conftest import PERMISSIONS, ROOT
from tests.support.patience import HANG_S, until

BEFORE = "3e634207b4669199f49bf717f0250e6cbf827c52"
"""The commit of the version before this one: the last that knew neither format levels nor migrations beside each other."""
BLOCK_MS = 500
"""Slow enough for a scanner on a busy machine, which is replaced twice meanwhile."""
NEW = ("reconcile",)
"""Processes that the version before does not have: they begin with this one."""


class Program(NamedTuple):
    """A version of the program: its interpreter, and the folder that it runs from."""

    name: str
    python: str
    folder: Path


PRESENT = Program("present", sys.executable, ROOT)


def program_of_before(folder: Path) -> Program:
    """The version before, from the git history, in a virtual environment of its own. Skips the test where it cannot be had."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("the version before comes from the git history, and this is no clone")
    tree = folder / "before"
    tree.mkdir()
    taken = subprocess.run(["git", "-C", str(ROOT), "archive", BEFORE], capture_output=True, check=False)
    if taken.returncode:
        pytest.skip(f"the git history does not reach back to the version before: {taken.stderr.decode().strip()}")
    subprocess.run(["tar", "-x", "-C", str(tree)], input=taken.stdout, check=True)
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    libraries = next((folder / "venv").glob("lib/python*/site-packages"))
    if (tree / "requirements.txt").read_text() == (ROOT / "requirements.txt").read_text():
        (libraries / "shared.pth").write_text(
            f"{sysconfig.get_paths()['purelib']}\n"
        )  # the same, pinned by their hashes
    else:
        wanted = ["--require-hashes", "--quiet", "--target", str(libraries), "-r", str(tree / "requirements.txt")]
        made = subprocess.run([sys.executable, "-m", "pip", "install", *wanted], capture_output=True, check=False)
        if made.returncode:
            pytest.skip(f"the libraries of the version before cannot be had: {made.stderr.decode().strip()[-300:]}")
    return Program("before", str(python), tree)


class OneProcess:
    """A process that runs in some version, with a sign of life and a log of its own."""

    def __init__(self, world: "RolledOut", name: str, program: Program) -> None:
        self.name, self.program = name, program
        world.started.append(self)
        self._folder = world.folder / "processes" / uuid4().hex[:8]
        self._signs = self._folder / "pulse"
        self._signs.mkdir(parents=True)
        self.port = free_port() if name == "api" else 0
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [program.python, "-m", "gateways", "run", name],
                cwd=program.folder,
                env=world.environment
                | {"COUNTERFOIL_PULSE": str(self._signs), "COUNTERFOIL_HTTP_PORT": str(self.port)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def until_it_goes(self) -> "OneProcess":
        until(lambda: self.ended or self._goes(), f"{self.name} of {self.program.name} goes on")
        assert not self.ended, self.log
        return self

    def _goes(self) -> bool:
        if not self.port:
            return (self._signs / self.name).exists()
        with contextlib.suppress(httpx2.TransportError):
            return httpx2.get(f"{self.url}/healthz", timeout=HANG_S).status_code == 200
        return False

    def ready(self) -> httpx2.Response:
        return httpx2.get(f"{self.url}/readyz", timeout=HANG_S)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(HANG_S)

    def stop(self) -> None:
        self._process.terminate()
        assert self._process.wait(HANG_S) == 0, self.log


class Balancer:
    """A client that asks whichever API is there, as behind a balancer; what it must never be answered is kept in `wrong`."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.apis: list[OneProcess] = []
        self.wrong: list[str] = []
        self.waited = 0
        self._turn = 0

    def get(self, path: str, **query: Any) -> httpx2.Response:
        return self._ask("GET", path, **query)

    def post(self, path: str, **body: Any) -> httpx2.Response:
        return self._ask("POST", path, **body)

    def _ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx2.Response:
        self._turn += 1
        apis = list(self.apis)
        api = apis[self._turn % len(apis)]
        try:
            answer = httpx2.request(
                method, f"{api.url}{path}", headers={"x-api-key": self._key, **(headers or {})}, timeout=HANG_S, **more
            )
        except httpx2.TransportError as error:
            self.wrong.append(f"{method} {path}: {error!r}")
            raise
        if answer.status_code == 503 and "retry-after" in answer.headers:
            self.waited += 1
        elif answer.status_code >= 400:
            self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer


class RolledOut:
    """Every process there is on one database and one devnet, which stay; each process comes and goes by itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        self.devnet = f"http://127.0.0.1:{free_port()}"
        secrets = load_or_create(self.data / "secrets.json")
        self.operator_key = secrets.operator_api_key
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
        self.environment = kept | {
            "COLUMNS": "200",
            "COUNTERFOIL_DATA": str(self.data),
            "COUNTERFOIL_TRON_NODE_URL": self.devnet,
            "COUNTERFOIL_KEYSTORE_PASSPHRASE": secrets.keystore_passphrase,
            "COUNTERFOIL_OPERATOR_API_KEY": secrets.operator_api_key,
        }
        make_keystore(load({"COUNTERFOIL_DATA": str(self.data)}), secrets.keystore_passphrase)
        self.server = EmbeddedPostgres(self.data / "postgres")
        self.processes: dict[str, OneProcess] = {}
        self.started: list[OneProcess] = []
        """All of them, so that none outlives the test."""
        self._devnet: subprocess.Popen[bytes] | None = None
        self.balancer: Balancer | None = None

    def command(self, program: Program, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of some version beside what runs."""
        return subprocess.run(
            [program.python, "-m", "gateways", *words],
            cwd=program.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )

    def document(self, program: Program, *words: str) -> Any:
        """What a command says with --json; it must succeed."""
        done = self.command(program, *words, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def begin(self, program: Program) -> None:
        """Devnet, tables, and every process in this version."""
        port = self.devnet.rpartition(":")[2]
        self._devnet = subprocess.Popen(
            [program.python, "-m", "gateways", "devnet", "--port", port, "--block-ms", str(BLOCK_MS)],
            cwd=program.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert self.command(program, "migrate").returncode == 0
        until(self._devnet_answers, "the devnet answers")
        # The version before may end where two processes pin the new chain at once: the observer is first.
        first = OneProcess(self, "observe", program).until_it_goes()
        others = [OneProcess(self, name, program) for name in PROCESSES if name not in (first.name, *NEW)]
        self.processes = {each.name: each.until_it_goes() for each in (first, *others)}

    def _devnet_answers(self) -> bool:
        with contextlib.suppress(httpx2.TransportError):
            return httpx2.get(f"{self.devnet}/wallet/getnowblock", timeout=HANG_S).status_code == 200
        return False

    def replace(self, name: str, program: Program) -> None:
        """New before old: the one that is there ends when the other one goes on."""
        old, new = self.processes.get(name), OneProcess(self, name, program).until_it_goes()
        self.processes[name] = new
        if old is None:
            return
        if name == "api" and self.balancer is not None:
            self.balancer.apis = [old, new]
            self.balancer.apis = [new]
        old.stop()

    def crash(self, name: str) -> None:
        """The process is killed, and whoever looks after it starts the same version again."""
        victim = self.processes[name]
        victim.kill()
        self.processes[name] = OneProcess(self, name, victim.program).until_it_goes()

    @property
    def api(self) -> OneProcess:
        return self.processes["api"]

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """As the operator; must succeed."""
        headers = {"x-api-key": self.operator_key, "idempotency-key": str(uuid4())}
        answer = httpx2.request(method, f"{self.api.url}{path}", headers=headers, json=body, timeout=HANG_S)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def company(self) -> Balancer:
        """A client of ours, behind the balancer."""
        account = self.ask("POST", "/v1/accounts", {"name": "Acme Exchange"})["id"]
        wish = {"name": "backend", "permissions": PERMISSIONS}
        self.balancer = Balancer(self.ask("POST", f"/v1/accounts/{account}/api-keys", wish)["key"])
        self.balancer.apis = [self.api]
        return self.balancer

    def faucet(self, address: str, **coins: str) -> None:
        answer = httpx2.post(f"{self.devnet}/devnet/faucet", json={"address": address, **coins}, timeout=HANG_S)
        assert answer.status_code == 200, answer.text

    def close(self) -> None:
        for each in self.started:
            each.kill()
        if self._devnet is not None:
            self._devnet.kill()
            self._devnet.wait()
        self.server.stop()


@contextlib.contextmanager
def rolled_out(folder: Path) -> Iterator[RolledOut]:
    world = RolledOut(folder)
    try:
        yield world
    finally:
        world.close()
