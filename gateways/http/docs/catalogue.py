"""What the documentation calls each kind of thing, in the order in which it shows them."""

from types import ModuleType
from typing import Final, NamedTuple

from gateways.http.docs import pages
from gateways.http.resources import (
    accounts,
    deposits,
    evacuation,
    explanations,
    find,
    health,
    ledger,
    lost_outgoing,
    operator,
    payins,
    payout_lanes,
    payouts,
    projections,
    proofs,
    redeliveries,
    refused_commands,
    statements,
    store,
    transfers,
    treasury,
    wallet_rotation,
    webhooks,
)


class Noun(NamedTuple):
    """A tag of the document: what it says of itself, and the files whose endpoints it has."""

    sentence: str
    files: tuple[ModuleType, ...]


NOUNS: Final = {
    "Accounts": Noun(
        "Accounts and their API keys: what the operator keeps, and what a caller may know of itself.", (accounts,)
    ),
    "Ledger": Noun(
        "Ledger accounts, balances, the journal, and transfers between ledger accounts.", (ledger, transfers)
    ),
    "Statements": Noun(
        "Statements over HTTP: the account's book in a period, signed once the period is over; "
        "the same bytes whenever it is asked.",
        (statements,),
    ),
    "Payins": Noun(
        "Payins over HTTP: a deposit address is asked for, and what arrives on it is shown.", (payins, deposits)
    ),
    "Payouts": Noun(
        "Payouts over HTTP. A payout's stream is the memory of its idempotency key: "
        "the first answer follows from its first event.",
        (payouts, payout_lanes),
    ),
    "Webhooks": Noun(
        "Events, and the webhooks that carry them: what was sent, what came of it, send it again, and the signing secret.",
        (webhooks, redeliveries),
    ),
    "Proofs": Noun(
        "Proofs: a client's receipts, which it checks offline; "
        "signed checkpoints to keep; for the operator, proofs of inclusion and growth.",
        (proofs,),
    ),
    "Operator": Noun(
        "What only the operator sees and does: corrections, the audit log, the trial balance.", (operator,)
    ),
    "Store": Noun(
        "The store: its name, how far it has come, and whether the signers have seen a later one of its name.", (store,)
    ),
    "Treasury": Noun(
        "The treasury as the operator sees it: system wallets with what they hold and their keys' rotation, every sweep, and"
        " evacuation.",
        (treasury, wallet_rotation, evacuation),
    ),
    "Lost outgoing": Noun(
        "After a restore: what left our wallets in history that was lost, and which payout each was.", (lost_outgoing,)
    ),
    "Explanations": Noun(
        "Explanations for the operator: what changed between two positions, and by which events.", (explanations,)
    ),
    "Find": Noun("Find: deposits, payouts, payins and whatever else has an id, by whatever a caller has.", (find,)),
    "Refused commands": Noun(
        "Refused commands: who tried what, and why it was refused. They are events, bounded per account and hour.",
        (refused_commands,),
    ),
    "Projections": Noun(
        "The views: how far each one came, and rebuilding them from the history while they serve.", (projections,)
    ),
    "Service": Noun(
        "For machines that watch: alive, ready, metrics; and for people who integrate: the document and the docs page.",
        (health, pages),
    ),
}
"""In the order in which the documentation shows them. Importing their files is what declares the endpoints."""
TAG_OF: Final = {file.__name__: name for name, noun in NOUNS.items() for file in noun.files}
"""By the name of the file that declares an endpoint."""
PATHS: Final = tuple(
    file.__name__
    for name in sorted(NOUNS, key=lambda name: NOUNS[name].files[0].__name__)
    for file in NOUNS[name].files
)
"""The order of the paths in the document: by file, so that it changes only where the API does."""
