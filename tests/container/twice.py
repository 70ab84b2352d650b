"""Builds the image twice, from copies of the checkout in two folders, and compares what came out: `make image-check`.

With docker (buildx), podman or buildah, whichever is there first, or the one that ENGINE names; BUILD_OPTIONS go along.
Exits with 0 when both are one image, with 1 when they are not, with 3 when no engine is there or a build fails.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
NOT_REACHABLE: Final = 3


def by_buildx(folder: Path, result: Path, epoch: str, options: list[str]) -> str:
    """-> the digest of the image's manifest."""
    times = ["--build-arg", f"SOURCE_DATE_EPOCH={epoch}", "--output", f"type=oci,dest={result},rewrite-timestamp=true"]
    run(["docker", "buildx", "build", "--no-cache", "--provenance=false", *times, *options, str(folder)])
    with tarfile.open(result) as archive:
        index = archive.extractfile("index.json")
        assert index is not None
        return str(json.load(index)["manifests"][0]["digest"])


def by_podman(folder: Path, result: Path, epoch: str, options: list[str]) -> str:
    """-> the digest of the image's configuration, which names its layers by theirs."""
    return _by_buildah(["podman", "build"], folder, result, epoch, options)


def by_buildah(folder: Path, result: Path, epoch: str, options: list[str]) -> str:
    """The same without any engine, also where no container may be started."""
    return _by_buildah(["buildah", "build", "--isolation", "chroot"], folder, result, epoch, options)


def _by_buildah(command: list[str], folder: Path, result: Path, epoch: str, options: list[str]) -> str:
    times = ["--timestamp", epoch, "--build-arg", f"SOURCE_DATE_EPOCH={epoch}"]
    run([*command, "--no-cache", *times, "--iidfile", str(result), *options, str(folder)])
    return result.read_text(encoding="utf-8").strip()


ENGINES: Final[Mapping[str, Callable[[Path, Path, str, list[str]], str]]] = {
    "docker": by_buildx,
    "podman": by_podman,
    "buildah": by_buildah,
}


def run(command: list[str]) -> None:
    """What is built is told on standard error, so that the output is the verdict alone."""
    subprocess.run(command, check=True, stdout=sys.stderr, stdin=subprocess.DEVNULL)


def engine() -> str:
    """The name of one that can be used; empty where there is none."""
    wanted = os.environ.get("ENGINE", "")
    return wanted or next((name for name in ENGINES if shutil.which(name) and answers(name)), "")


def answers(name: str) -> bool:
    """A client without its server is no engine."""
    asked = {"docker": ["docker", "buildx", "inspect"]}.get(name, [name, "info"])
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def copy_to(folder: Path) -> Path:
    """The files that git knows, as they are now, with times of their own."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, folder / name)
    return folder


def main() -> int:
    name = engine()
    if not name:
        print(f"no engine answers here: install one of {', '.join(ENGINES)}", file=sys.stderr)
        return NOT_REACHABLE
    asked = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    epoch = os.environ.get("SOURCE_DATE_EPOCH", asked.stdout.strip() or "0")
    options = shlex.split(os.environ.get("BUILD_OPTIONS", ""))
    digests = []
    with tempfile.TemporaryDirectory(prefix="counterfoil-image-") as made:
        for number, place in enumerate(("one", "another/place")):
            folder = copy_to(Path(made) / place)
            try:
                digests.append(ENGINES[name](folder, Path(made) / f"result-{number}", epoch, options))
            except subprocess.CalledProcessError as error:
                print(f"{name} could not build the image: it ended with {error.returncode}", file=sys.stderr)
                return NOT_REACHABLE
            print(f"{place:<14} {digests[-1]}")
    same = len(set(digests)) == 1
    print("two builds are one image" if same else "two builds are two images: something in it depends on where or when")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
