"""The workflows: what they run is what was looked at, and they hold no key of anybody's."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.fast

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def read(path: Path) -> dict[str, Any]:
    """YAML's `on` is a truth value to a parser of YAML 1.1."""
    told: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in told.items()}


def steps_of(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_workflows_are_there() -> None:
    """Tests, image, plan."""
    assert [path.stem for path in FILES] == ["image", "terraform-plan", "test"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_action_is_pinned_to_a_commit(path: Path) -> None:
    """A tag can be moved; a commit cannot. The version stands beside it."""
    lines = [
        line.strip().removeprefix("- ") for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line
    ]
    assert lines
    assert [line for line in lines if not PINNED.fullmatch(line)] == []


def test_one_action_has_one_commit() -> None:
    """The workflows agree on what an action's version is."""
    found = {use for path in FILES for use in re.findall(r"uses: (\S+)@(\w+)", path.read_text(encoding="utf-8"))}
    assert len({name for name, _ in found}) == len(found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_workflow_may_do_only_what_it_says(path: Path) -> None:
    """Rights are named, writing is never given to the repository, and strangers' pull requests meet no secret."""
    workflow = read(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job in workflow["jobs"].values():
        rights = job.get("permissions", workflow["permissions"])
        assert {name for name, right in rights.items() if right == "write"} <= {"id-token", "attestations"}
        assert job["timeout-minutes"] <= 60
        assert job["runs-on"] != "ubuntu-latest"
    assert "pull_request_target" not in workflow["on"]
    assert "secrets." not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_stranger_s_words_reach_a_shell(path: Path) -> None:
    """Expressions stand in `env` and `with`, never in a command; a checkout leaves no credentials behind."""
    for step in steps_of(read(path)):
        assert "${{" not in step.get("run", ""), step
        if "actions/checkout@" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_nothing_is_applied_by_a_workflow() -> None:
    """A workflow plans; keys and policies are changed by people."""
    assert not [path.stem for path in FILES if re.search(r"terraform[^\n]*\bapply\b", path.read_text(encoding="utf-8"))]


def test_the_image_is_built_twice_at_every_push_without_an_account() -> None:
    """Whoever forks this needs nothing of Amazon's to learn that the image is what its commit says."""
    workflow = read(next(path for path in FILES if path.stem == "image"))
    assert workflow["on"] == {"push": None, "pull_request": None, "workflow_dispatch": None}
    twice = workflow["jobs"]["twice"]
    assert "if" not in twice
    assert [step["run"] for step in twice["steps"] if "run" in step] == ["make image-check"]
    assert workflow["jobs"]["image"]["needs"] == "twice"


def test_an_image_that_is_pushed_says_what_it_is_of_and_can_be_checked() -> None:
    """Source, revision and time are labels; what is in it and how it was built are attached; signing needs no stored key."""
    [job] = [job for name, job in read(ROOT / ".github" / "workflows" / "image.yml")["jobs"].items() if name == "image"]
    steps = {step["uses"].partition("@")[0]: step for step in job["steps"] if "uses" in step}
    built = steps["docker/build-push-action"]["with"]
    labels = {line.partition("=")[0].rpartition(".")[2] for line in built["labels"].splitlines()}
    assert labels == {"source", "revision", "created"}
    assert (built["sbom"], built["provenance"]) == (True, "mode=max")
    assert "actions/attest-build-provenance" in steps
    signs = [step for step in job["steps"] if "cosign" in step.get("run", "") + step.get("uses", "")]
    assert [step["if"] for step in signs] == ["vars.COSIGN == 'true'"] * 2
    assert "AWS_IMAGE_ROLE_ARN != ''" in job["if"]


def test_what_is_pinned_is_moved_on() -> None:
    """The base image, the actions and the provider."""
    told = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    assert {each["package-ecosystem"] for each in told["updates"]} == {"docker", "github-actions", "terraform"}
    for each in told["updates"]:
        assert (ROOT / each["directory"].lstrip("/")).is_dir()


def test_terraform_is_one_version_everywhere() -> None:
    """What plans is what was tested, and it is one that the configuration takes."""
    versions = set(
        re.findall(r'terraform_version: "([\d.]+)"', "".join(path.read_text(encoding="utf-8") for path in FILES))
    )
    assert len(versions) == 1
    assert tuple(map(int, versions.pop().split("."))) >= (1, 11, 0)
