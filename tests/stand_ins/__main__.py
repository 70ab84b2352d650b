"""`make stand-ins`: the tests that ask AWS, on what is named; then their table, and whatever was left is removed."""

import os
import subprocess
import sys

from tests.stand_ins.clearing import clear
from tests.stand_ins.named import Unusable, apply, named

WHERE = ("tests/contracts", "tests/gateways/aws")


def main(arguments: list[str]) -> int:
    try:
        run = named(os.environ)
    except Unusable as error:
        print(error, file=sys.stderr)
        return 2
    for service, url in run.where.items():
        print(f"{service:<16}{url}", flush=True)
    print(f"everything begins with {run.prefix}\n", flush=True)
    apply(run)
    command = [sys.executable, "-m", "pytest", "-p", "tests.stand_ins.plugin", "--tb=no", "-rN", *(arguments or WHERE)]
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return 130
    finally:
        for told in clear(run.prefix, frozenset(run.where)):
            print(told, flush=True)


sys.exit(main(sys.argv[1:]))
