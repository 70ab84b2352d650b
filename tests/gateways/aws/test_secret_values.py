"""`counterfoil secrets make` and `rotate`: no value is overwritten, and what was made with the one before still counts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateways.aws.kms import Kms
from gateways.aws.names import FOR_API, FOR_FACTS, FOR_SEED, FOR_WEBHOOKS, SECRETS, login_secret
from gateways.aws.secret_values import make, rotate
from gateways.aws.secrets import FACTS_OVERLAP, SecretStore
from gateways.aws.seed import open_seed
from gateways.aws.session import Aws
from gateways.postgres.roles import LOGINS
from gateways.settings import Settings, load
from gateways.user_error import UserError
from tests.gateways.cli.test_app import counterfoil
from tests.support.aws import made_keys, made_secrets


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
    wrapped, opened = values(empty)[FOR_SEED], open_seed(empty, kms)
    rotate(empty, FOR_SEED)
    assert values(empty)[FOR_SEED] != wrapped
    assert open_seed(empty, kms) == opened


def test_what_must_stay_is_not_replaced(empty: Settings) -> None:
    """The pepper of API keys, say: every key would be invalid."""
    make(empty)
    with pytest.raises(UserError, match=r"api is not replaced while it is in use: choose one of"):
        rotate(empty, FOR_API)


def test_on_one_machine_there_is_no_secrets_manager(tmp_path: Path) -> None:
    """The sentence says where the keys are instead."""
    with pytest.raises(UserError, match=r"secrets\.json"):
        make(load({}, data=tmp_path))
    shown = counterfoil("secrets", "make", data=str(tmp_path))
    assert shown.returncode != 0
    assert "secrets.json" in shown.stdout + shown.stderr
