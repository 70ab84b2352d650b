"""The image and the local stack, read as text: small, nobody's, nothing to write, nothing of the repository but the program."""

import json
import re
import tomllib
from pathlib import Path

import yaml

from gateways import VERSION
from gateways.cli.app import COMMANDS

ROOT = Path(__file__).parents[2]
LINES = [
    line.strip()
    for line in re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8")).splitlines()
    if line.strip() and not line.startswith("#")
]
STARTS = [index for index, line in enumerate(LINES) if line.startswith("FROM ")]
STAGES = [LINES[start:end] for start, end in zip(STARTS, [*STARTS[1:], len(LINES)], strict=True)]
BUILD, PROGRAM, MACHINE, LAST = STAGES


def of(kind: str, lines: list[str] = LINES) -> list[str]:
    """What stands behind an instruction, wherever it stands."""
    return [line.removeprefix(kind).strip() for line in lines if line.startswith(f"{kind} ")]


def test_the_image_says_what_it_is() -> None:
    """Title, licence, version and base are labels; what the build alone knows, the workflow adds."""
    labels = dict(re.findall(r'org\.opencontainers\.image\.([\w.]+)="([^"]*)"', " ".join(of("LABEL"))))
    assert labels.keys() == {"title", "description", "version", "base.name", "licenses"}
    assert labels["version"] == VERSION
    assert labels["base.name"] == f"docker.io/library/{of('FROM')[0].split()[0]}"


def test_both_stages_stand_on_one_exact_base() -> None:
    """The base's tag names a patch release and a Debian: it cannot become another Python by itself."""
    bases = {line.split()[0] for line in of("FROM")} - {"program"}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.1[123]\.\d+-slim-[a-z]+", bases.pop())


def test_only_one_machine_s_image_has_a_postgres() -> None:
    """The stage `machine`, which compose.yaml builds, adds it to what everybody else runs, and nothing but that."""
    assert LAST == ["FROM program"]
    assert MACHINE == [
        "FROM program AS machine",
        "COPY --from=build /opt/postgres /opt/postgres",
        "ENV PYTHONPATH=/opt/postgres",
    ]
    stack = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    assert {service["build"]["target"] for service in stack["services"].values()} == {"machine"}


def test_nothing_in_the_image_depends_on_when_it_is_built() -> None:
    """Compiled files are valid by content, hashes have one seed, and every file has one time; `make image-check` tries it."""
    told = " ".join(of("RUN", BUILD))
    assert "--no-compile" in told
    assert "compileall -q --invalidation-mode unchecked-hash" in told
    assert '--date "@$SOURCE_DATE_EPOCH"' in told
    assert "PYTHONHASHSEED=0" in of("ENV", BUILD)[0]
    assert not [
        line for line in LINES if "useradd" in line or "groupadd" in line
    ]  # they write the day into /etc/shadow


def test_the_image_holds_the_program_and_nothing_of_the_repository_else() -> None:
    """The folders that are copied are the packages and the schema; what may be sent to a build is the same, and no more."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    copied = [line.split()[0] for line in of("COPY") if not line.startswith("--from")]
    assert set(copied) == packages | {"requirements.txt"}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*"
    let_in = {line[1:].removesuffix("/**") for line in ignored if line.startswith("!")}
    assert let_in == set(copied)
    assert not of("ADD")


def test_dependencies_are_wheels_known_by_their_hashes() -> None:
    """Nothing is built, and nothing comes that the lock file does not name."""
    (install,) = [line for line in of("RUN") if "install" in line and "pip" in line]
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert "-r requirements.txt" in install


def test_what_runs_is_nobody_and_installs_nothing() -> None:
    """The last stage has no tool chain, a numeric user that is not root, and a signal that lets work be finished."""
    assert not [line for line in of("RUN", PROGRAM) if re.search(r"\b(pip|apt|apt-get|curl|wget)\b", line)]
    assert of("USER", PROGRAM) == ["10001:10001"]
    assert of("STOPSIGNAL") == ["SIGTERM"]
    assert not [line for line in of("ENV") if re.search(r"PASSWORD|SECRET|PASSPHRASE|API_KEY|TOKEN", line)]


def test_the_health_check_is_a_command_of_the_program() -> None:
    """`counterfoil health` looks where the image tells the processes to show themselves."""
    (check,) = of("HEALTHCHECK")
    assert json.loads(check.partition("CMD ")[2]) == ["counterfoil", "health"]
    assert "health" in COMMANDS
    assert "COUNTERFOIL_PULSE=/tmp/pulse" in of("ENV", PROGRAM)[0]


def test_the_local_stack_gives_a_container_nothing_that_it_does_not_need() -> None:
    """Read-only, without capabilities, without new privileges, as nobody; no password and no published port."""
    stack = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    for service in stack["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["user"] == of("USER", PROGRAM)[0]
        assert all("noexec" in each and "nosuid" in each for each in service["tmpfs"])
        assert "environment" not in service
        assert "ports" not in service
        assert "privileged" not in service
        assert int(service["stop_grace_period"].removesuffix("s")) > 25  # longer than the server's own end


def test_the_signers_have_a_container_of_their_own_with_the_keys() -> None:
    """The keys' volume is theirs alone; of the installation they see the socket and what was left for them, to read."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert services["counterfoil"]["command"][-1] == "--without-signers"
    assert services["signers"]["command"] == ["up", "--signers-of", "/data/signers", "--data", "/keys"]
    assert services["signers"]["volumes"] == [
        "keys:/keys",
        "socket:/data/postgres-socket:ro",
        "signers:/data/signers:ro",
    ]
    assert not [each for each in services["counterfoil"]["volumes"] if "keys" in each]
    (folders,) = [line for line in of("RUN", PROGRAM) if "install --directory" in line]
    mounted = {each.split(":")[1] for service in services.values() for each in service["volumes"]}
    assert mounted <= set(folders.split())  # else Docker makes them, and they are root's
