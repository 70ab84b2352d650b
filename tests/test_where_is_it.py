"""A stranger's questions about the tree: each is answered by one path, and what is asked for stands there."""

import subprocess
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.fast

ROOT = Path(__file__).parents[1]
FILES_PER_FOLDER_MAX = 26

WHERE = [
    ("where is `counterfoil wallets register`?", "gateways/cli/wallets.py", 'name="register"'),
    ("which exit code does an error have?", "gateways/cli/app.py", "EXIT_CODES"),
    ("how does a command find the installation that runs?", "gateways/processes/running.py", "def find"),
    ("what is the JSON of GET /v1/payouts?", "gateways/http/resources/payouts.py", '"/v1/payouts"'),
    ("what may the process `payouts` append?", "gateways/processes/payouts.py", "SIGNER"),
    ("which process may append a PayoutSigned?", "core/streams/payouts.py", '"payout.signed", by="signer"'),
    ("how is SQS spoken?", "gateways/aws/queue.py", "class SqsQueue"),
    ("what happens when a deposit is seen at the head?", "core/streams/deposits.py", "class DepositDetected"),
    ("who sees it there?", "scanners/observer.py", "class Observer"),
    ("which entry does a confirmed deposit make?", "core/ledger/books.py", "def deposit_confirmed"),
    ("what keeps a client's balance from going below zero?", "core/ledger/guard.py", "def guard_deltas"),
    ("how are commands decided and appended in one transaction?", "core/ledger/ledger.py", "class Ledger"),
    ("how does Postgres take an append?", "gateways/postgres/event_store.py", "class PostgresEventStore"),
    ("when may a payout be signed a second time?", "core/streams/attempts.py", "class ExpireAttempt"),
    ("what does the signer check before it signs?", "signers/transactions/signer.py", "def sign"),
    ("where does a payout's row in the view come from?", "projections/views/payouts.py", "class PayoutRow"),
    ("what is a client sent as a webhook?", "projections/views/notifications.py", "client_event"),
    ("how are webhooks signed?", "gateways/webhooks/signatures.py", "def sign"),
    ("how are a Tron node's answers read?", "gateways/tron/node_json.py", "java-tron"),
    ("how do two nodes agree on what is final?", "gateways/tron/nodes.py", "class Nodes"),
    ("which adapter stands behind which port on AWS?", "gateways/wiring/on_aws.py", "SqsQueue"),
    ("which processes are there?", "gateways/processes/registry.py", "PROCESSES"),
    ("what does each setting mean?", "gateways/settings.py", "class Settings"),
    ("how does the devnet charge energy?", "gateways/devnet/execution/billing.py", "energy"),
    ("how is a view rebuilt while it serves?", "projections/rebuild/rebuild.py", "class Rebuild"),
    ("how does an auditor check the history without this program?", "schema/verify.py", "import hashlib"),
    ("what was refused, and why?", "core/ledger/refusals.py", "class InsufficientFunds"),
]


@pytest.mark.parametrize(("question", "path", "words"), WHERE, ids=[question for question, *_ in WHERE])
def test_a_question_has_its_place(question: str, path: str, words: str) -> None:
    """The file is there, and holds what was asked for."""
    assert words in (ROOT / path).read_text(encoding="utf-8"), f"{question} not in {path}"


def test_a_folder_is_read_in_one_look() -> None:
    """No folder of the program or its tests holds more files than a screen has lines."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    counts = Counter(str(Path(name).parent) for name in listed.splitlines() if name.endswith(".py"))
    assert {folder: count for folder, count in counts.items() if count > FILES_PER_FOLDER_MAX} == {}
