"""Terraform in a folder of its own: a copy of terraform/, the provider from a mirror, no network, no AWS.

The provider is looked for where COUNTERFOIL_TF_PLUGINS points to, and in the places where mirrors usually are. A test that asks
for `terraform` is skipped, with a line that says so, where the program or the provider is not there.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.patience import HANG_S

SOURCE = Path(__file__).parents[2] / "terraform"
MODULES = (
    "archive",
    "balancer",
    "compute",
    "database",
    "iam",
    "keys",
    "network",
    "observability",
    "queues",
    "secrets",
    "tables",
)
PROVIDER = Path("registry.terraform.io", "hashicorp", "aws")
MIRRORS = (
    "/opt/tf-plugins",
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
    "~/.terraform.d/plugins",
    "~/.local/share/terraform/plugins",
)


def terraform_binary() -> str:
    """Skips where there is none."""
    found = shutil.which("terraform")
    if found is None:
        pytest.skip("terraform is not installed: put it on PATH to run this test")
    return found


def provider_mirror() -> Path:
    """A folder that holds the AWS provider as a filesystem mirror. Skips where there is none."""
    given = os.environ.get("COUNTERFOIL_TF_PLUGINS")
    for place in [given] if given else MIRRORS:
        path = Path(place).expanduser()
        if (path / PROVIDER).is_dir():
            return path
    pytest.skip(
        "Terraform's AWS provider is not at hand: `terraform -chdir=terraform providers mirror FOLDER` fetches it,"
        " COUNTERFOIL_TF_PLUGINS=FOLDER names it"
    )


class Terraform:
    """The program in one folder. `environment` is added to a clean one: neither credentials nor settings of the caller."""

    def __init__(self, folder: Path, binary: str, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._binary = binary
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            **(environment or {}),
        }

    def run(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command. With `check`, a failure is an assertion with all that was said."""
        done = subprocess.run(
            [self._binary, *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=2 * HANG_S,
            check=False,
        )
        assert not check or done.returncode == 0, f"terraform {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done


def prepared(
    folder: Path,
    environment: Mapping[str, str] | None = None,
    before_init: Callable[[Path], None] = lambda _: None,
) -> Terraform:
    """A copy of terraform/ in `folder`, initialised from the mirror; `before_init` may change the copy."""
    binary, mirror = terraform_binary(), provider_mirror()
    copy = folder / "terraform"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*"))
    before_init(copy)
    settings = folder / "terraform.rc"
    settings.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
    program = Terraform(copy, binary, {"TF_CLI_CONFIG_FILE": str(settings), **(environment or {})})
    backend = [] if (copy / "emulator_override.tf").exists() else ["-backend=false"]
    program.run("init", *backend, "-input=false", "-lockfile=readonly", "-no-color")
    return program


@pytest.fixture(scope="module")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """terraform/ as it stands, initialised."""
    return prepared(tmp_path_factory.mktemp("terraform"))
