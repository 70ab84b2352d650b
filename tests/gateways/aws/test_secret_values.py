"""`counterfoil secrets make` and `rotate`: no value is overwritten, and what was made with the one before still counts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateways.aws.kms import Kms
from gateways.aws.names import FOR_API, FOR_CHECKPOINTS, FOR_FACTS, FOR_SEED, FOR_WEBHOOKS, SECRETS, login_secret
from gateways.aws.secret_values import add_seed, make, rotate
from gateways.aws.secrets import FACTS_OVERLAP, AwsSecrets, SecretStore
from gateways.aws.seed import open_seeds
from gateways.aws.session import Aws
from gateways.postgres.roles import LOGINS
from gateways.settings import Settings, load
from gateways.user_error import UserError
from signers.keys.derivation import deposit_path
from signers.keys.kms import KmsKeys
from tests.gateways.cli.test_app import counterfoil
from tests.support.aws import made_keys, made_secrets

pytestmark = pytest.mark.asks("secretsmanager", "kms")


@pytest.fixture
def empty(aws_settings: Settings) -> Iterator[Settings]:
    """Secrets and keys as terraform leaves them."""
    aws = Aws(aws_settings)
    with made_keys(aws), made_secrets(aws):
        yield aws_settings


def values(settings: Settings) -> dict[str, dict[str, str]]:
    store = SecretStore(Aws(settings))
    return {
        name: dict(store.fields(name, fresh_s=0))
        for name in (*SECRETS, *map(login_secret, LOGINS))
        if store.exists(name)
    }


def test_every_secret_gets_a_value_once(empty: Settings) -> None:
    """The second time there is nothing to make, and every value is what it was."""
    with pytest.raises(UserError, match="counterfoil secrets make"):
        SecretStore(Aws(empty)).fields(FOR_API)
    assert make(empty)
    first = values(empty)
    assert {name: set(fields) for name, fields in first.items() if name in SECRETS and name != FOR_SEED}
    assert len({text for fields in first.values() for text in fields.values() if len(text) >= 32}) > len(LOGINS)
    assert make(empty) == []
    assert values(empty) == first


@pytest.mark.parametrize("name", [FOR_WEBHOOKS, FOR_FACTS])
def test_a_replaced_key_counts_beside_the_new_one(empty: Settings, name: str) -> None:
    """What was signed with it may still be under way: both are there for the overlap, the new one first."""
    make(empty)
    before = values(empty)[name]
    assert len(rotate(empty, name)) == 1
    after = values(empty)[name]
    assert after != before
    store = SecretStore(Aws(empty))
    both = store.versions(name, FACTS_OVERLAP, datetime.now(UTC) + timedelta(minutes=5))
    assert both[0] == after
    assert len(both) == 2


def test_a_seed_that_is_wrapped_again_is_the_same_seed(empty: Settings) -> None:
    """Another ciphertext, the same addresses."""
    make(empty)
    kms = Kms(Aws(empty))
    wrapped, opened = values(empty)[FOR_SEED], open_seeds(empty, kms)[0]
    rotate(empty, FOR_SEED)
    assert values(empty)[FOR_SEED] != wrapped
    assert open_seeds(empty, kms)[0] == opened


def test_another_seed_stands_beside_the_ones_before(empty: Settings) -> None:
    """The newest comes first, under an id of its own; all of them open, also after they are wrapped again; once is enough."""
    make(empty)
    kms = Kms(Aws(empty))
    first = open_seeds(empty, kms)[0]
    for number in (2, 2, 3):
        add_seed(empty, number)
    opened = open_seeds(empty, kms)
    assert [it.seed_id for it in opened] == [f"{first.seed_id}/3", f"{first.seed_id}/2", first.seed_id]
    assert opened[-1] == first
    assert len({it.secret for it in opened}) == 3
    rotate(empty, FOR_SEED)
    assert open_seeds(empty, kms) == opened
    keys = KmsKeys(kms, opened[0].seed_id, opened[0].secret, {it.seed_id: it.secret for it in opened[1:]})
    addresses = {keys.key(f"kms:{it.seed_id}:{deposit_path(0)}").address for it in opened}
    assert len(addresses) == 3
    assert (keys.first_prefix, keys.derived_prefix) == (f"kms:{first.seed_id}:", f"kms:{first.seed_id}/3:")


def test_a_replaced_pepper_counts_until_it_is_replaced_again(empty: Settings) -> None:
    """What clients' keys were made under is known on; the operator's key and the rest of the secret stay as they are."""
    make(empty)
    before = values(empty)[FOR_API]
    rotate(empty, FOR_API)
    after = values(empty)[FOR_API]
    assert {name for name in after if after.get(name) != before.get(name)} == {
        "api_key_pepper",
        "api_key_pepper_before",
    }
    found = AwsSecrets(SecretStore(Aws(empty)), lambda: datetime.now(UTC)).api_key_peppers()
    assert [it.hex() for it in found] == [after["api_key_pepper"], before["api_key_pepper"]]


def test_what_must_stay_is_not_replaced(empty: Settings) -> None:
    """The checkpoints' key, say: what it signed is proven by it for ever."""
    make(empty)
    with pytest.raises(UserError, match=r"checkpoints is not replaced while it is in use: choose one of"):
        rotate(empty, FOR_CHECKPOINTS)


def test_on_one_machine_there_is_no_secrets_manager(tmp_path: Path) -> None:
    """The sentence says where the keys are instead."""
    with pytest.raises(UserError, match=r"secrets\.json"):
        make(load({}, data=tmp_path))
    shown = counterfoil("secrets", "make", data=str(tmp_path))
    assert shown.returncode != 0
    assert "secrets.json" in shown.stdout + shown.stderr
