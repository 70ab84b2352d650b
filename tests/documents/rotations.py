"""How each secret is replaced: by which command, for how long the one before still counts, and what stops working when.

A test holds it to the secrets that there are and to the overlaps of the program; what nobody can replace stands here, too.
"""

from datetime import timedelta
from typing import Final, NamedTuple

from core.rotation import ROTATION_OVERLAP
from gateways.embedded.secrets_file import OVERLAPS
from tests.documents.holders import KEYSTORE, SUPERUSER, login, platform_key, setting


class Rotation(NamedTuple):
    """`covers` are the secrets by their names in holders(); `lasts` what the program lets the one before count on."""

    what: str
    lies: str
    covers: tuple[str, ...]
    command: str
    overlap: str
    stops: str
    lasts: timedelta | None = None


_WALLET_STOPS: Final = (
    "the old address makes nothing more at once, but for what empties it; payouts wait some minutes, until coins have"
    " moved"
)

ROTATIONS: Final = (
    Rotation(
        "the hot wallet's key",
        "keystore, or KMS",
        (KEYSTORE,),
        "`counterfoil wallets rotate hot`, on AWS with `--kms KEY`",
        "until the old address is empty; it stays ours for ever, so keep its key",
        _WALLET_STOPS,
    ),
    Rotation(
        "the gas wallet's key",
        "keystore, or KMS",
        (KEYSTORE,),
        "`counterfoil wallets rotate gas`, on AWS with `--kms KEY`",
        "until the old address is empty: 14 days where it has stake",
        "its stake lends no energy any more: sweeps burn TRX until you have staked anew",
    ),
    Rotation(
        "the deposit seed",
        "keystore; on AWS the secret `deposit-seed`, wrapped by KMS",
        (KEYSTORE,),
        "`counterfoil addresses rotate-seed`; on AWS then restart `addresses` and `sweeps`",
        "for ever: addresses that are out are swept with the seed they came from",
        "nothing; addresses that were ready are given to nobody",
    ),
    Rotation(
        "the webhook master",
        "DATA/secrets.json; on AWS the secret `webhooks`",
        (platform_key("webhook_master"),),
        "`counterfoil secrets rotate webhooks`, then restart; on AWS without",
        "24 hours, in which both sign",
        "a client that has not fetched `GET /v1/webhook-secret` by then refuses what is sent",
        ROTATION_OVERLAP,
    ),
    Rotation(
        "the observer's MAC key",
        "DATA/secrets.json; on AWS the secret `deposit-facts`",
        (platform_key("deposit_fact_key"),),
        "`counterfoil secrets rotate deposit-facts`, then restart; on AWS without",
        "14 days, as long as SQS keeps a message",
        "nothing: what is older is refused, and reported again",
        timedelta(days=14),
    ),
    Rotation(
        "the pepper of API keys",
        "DATA/secrets.json; on AWS the secret `api`",
        (platform_key("api_key_pepper"),),
        "`counterfoil secrets rotate api`, then restart; on AWS restart `api`",
        "until you rotate it once more",
        "at the second time: every key that was made before the first",
    ),
    Rotation(
        "the keystore's passphrase",
        "yours",
        (setting("keystore_passphrase"),),
        "no command: a keystore stays sealed with the passphrase that it was made with",
        "",
        "",
    ),
    Rotation(
        "the operator key",
        "DATA/secrets.json, or yours",
        (setting("operator_api_key"),),
        "`COUNTERFOIL_OPERATOR_API_KEY`, and a restart",
        "none",
        "the old one, at the restart",
    ),
    Rotation(
        "a node's API key",
        "yours; on AWS the secret `tron-node`",
        (setting("tron_api_key"),),
        "`COUNTERFOIL_TRON_API_KEY`, and a restart; on AWS a new value of the secret",
        "your provider's",
        "the old one, when your provider ends it",
    ),
    Rotation(
        "database logins",
        "DATA/secrets.json, or Secrets Manager",
        (setting("database_url"), SUPERUSER, "the password of the database login *"),
        "on AWS `counterfoil secrets rotate database`; on one machine the server listens on no network",
        "none: open connections go on",
        "the old password, at once",
    ),
    Rotation(
        "the checkpoints' key",
        "DATA/checkpoints.key; on AWS the secret `checkpoints`",
        ("DATA/checkpoints.key",),
        "`counterfoil audit rotate-key`, then restart; on AWS a new value of the secret, and a restart of `checkpoints`",
        "for ever: what a key signed stays proven by it",
        "nothing: the old key endorses the new one by a note in the archive; on AWS give auditors both keys",
    ),
    Rotation(
        "the statements' key",
        "DATA/statements.key; on AWS the secret `statements`",
        ("DATA/statements.key",),
        "no command: move the file away, restart, and publish the new key beside the old one",
        "for ever: what a key signed stays proven by it",
        "nothing",
    ),
    Rotation(
        "what makes positions opaque",
        "DATA/secrets.json",
        (platform_key("position_key"),),
        "none: it opens nothing, and every cursor that clients hold would be refused",
        "",
        "",
    ),
    Rotation(
        "a client's API key",
        "the client's",
        (),
        "a second one, then `DELETE /v1/accounts/{account_id}/api-keys/{id}`",
        "as long as you leave both",
        "the deleted one, everywhere within 10 seconds",
    ),
    Rotation(
        "a client's webhook secret",
        "follows from the webhook master",
        (),
        "`POST /v1/webhook-secret/rotate`, by the client",
        "24 hours, in which both sign",
        "the old one, after that",
        ROTATION_OVERLAP,
    ),
)
MANY: Final = login("counterfoil_*")


def covered() -> set[str]:
    return {name for each in ROTATIONS for name in each.covers}


def table() -> str:
    """As a page shows it."""
    lines = ["| what | where it lies | command | the one before counts | what stops working |", "|---|---|---|---|---|"]
    lines += [f"| {it.what} | {it.lies} | {it.command} | {it.overlap} | {it.stops} |" for it in ROTATIONS]
    return "\n".join(lines)


def overlaps() -> dict[str, timedelta | None]:
    """Of the keys in DATA/secrets.json, as the table says."""
    return {key: it.lasts for key in OVERLAPS for it in ROTATIONS if platform_key(key) in it.covers}
