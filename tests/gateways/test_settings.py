"""Settings: every mistake is a sentence that names its variable, and no secret shows."""

import re
from pathlib import Path

import pytest

from gateways.settings import InvalidSettings, Settings, load
from gateways.user_error import UserError
from gateways.wiring.opened import refuse_archive_in_data, refuse_one_node

pytestmark = pytest.mark.fast

ROOT = Path(__file__).parents[2]


def test_without_variables_there_is_a_devnet_on_this_machine() -> None:
    """The defaults need nothing and listen on loopback only."""
    settings = load({})
    assert (settings.mode, settings.network, settings.http_host) == ("embedded", "devnet", "127.0.0.1")
    assert [each[:3] for each in settings.nodes] == [("http://127.0.0.1:8090", "http://127.0.0.1:8090", "")]
    assert settings.keystore_path == settings.data / "keystore.json"
    assert (settings.payout_fee_minor, settings.payout_min_minor, settings.payin_min_minor) == (0, 1, 0)


def test_variables_are_read_once_and_overridden_by_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what `load` is given counts; a flag wins over a variable; nothing changes afterwards."""
    monkeypatch.setenv("COUNTERFOIL_HTTP_PORT", "1")
    settings = load({"COUNTERFOIL_HTTP_PORT": "8081", "COUNTERFOIL_NETWORK": "nile", "PATH": "x"}, network="mainnet")
    assert (settings.http_port, settings.network) == (8081, "mainnet")
    assert load({}).http_port == 8080
    assert load().http_port == 1
    with pytest.raises(ValueError, match="frozen"):
        settings.http_port = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("HTPP_PORT", "1", "unknown setting COUNTERFOIL_HTPP_PORT"),
        ("HTTP_PORT", "eighty", "integer"),
        ("HTTP_PORT", "65536", "65535"),
        ("NETWORK", "testnet", "'devnet', 'nile' or 'mainnet'"),
        ("MODE", "gcp", "'embedded' or 'aws'"),
        ("PAYOUT_FEE", "abc", "not a decimal amount"),
        ("PAYOUT_FEE", "-1", "not a decimal amount"),
        ("PAYOUT_FEE", "NaN", "not a decimal amount"),
        ("PAYOUT_FEE", "1e3", "not a decimal amount"),
        ("PAYOUT_MIN", "0.0000001", "at most 6 decimals"),
        ("PAYIN_MIN", "99999999999999", "amount"),
        ("USDT_CONTRACT", "TZJozAg1ruapycCicgz31GxvYJ1G1qELV7", "0x42"),
        ("USDT_CONTRACT", "0xdeadbeef", "34 characters"),
        ("TRON_NODE_URL", "localhost:8090", "http://"),
        ("TRON_NODE_URL", "ftp://node", "http://"),
        ("TRON_LAG_MAX_S", "9", "between 10 and 3600"),
        ("TRON_LAG_MAX_S", "-60", "between 10 and 3600"),
        ("TRON_LAG_MAX_S", "3601", "between 10 and 3600"),
        ("TRON_LAG_MAX_S", "a minute", "integer"),
        ("RATE_LIMIT", "many", "rate limit"),
        ("RATE_LIMIT", "0/minute", "at least 1"),
        ("OPERATOR_API_KEY", "short", "at least 32 characters"),
        ("PAYOUT_EXPIRATION_S", "5", "30"),
        ("ADDRESS_POOL", "0", "1"),
        ("WEBHOOK_ALLOW_LOOPBACK", "perhaps", "boolean"),
        ("LOG_LEVEL", "loud", "'debug'"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,balancer", "balancer"),
        ("AWS_PREFIX", "Two", "a hyphen at the end"),
        ("PAYIN_KEYS", "kms", "MODE=aws"),
    ],
)
def test_a_wrong_value_is_a_sentence_that_names_the_variable(name: str, value: str, reason: str) -> None:
    """What is wrong and where, without a traceback's vocabulary."""
    with pytest.raises(InvalidSettings, match=reason) as caught:
        load({f"COUNTERFOIL_{name}": value})
    assert f"COUNTERFOIL_{name}" in str(caught.value)
    assert "Value error" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "lone"),
    [
        ({"NETWORK": "mainnet"}, True),
        ({"NETWORK": "mainnet", "TRON_NODE_TRUSTED": "true"}, False),
        ({"NETWORK": "mainnet", "TRON_NODE_URL": "http://a,http://b"}, False),
        ({"NETWORK": "devnet"}, False),
    ],
)
def test_one_node_of_a_public_network_is_lone_until_somebody_vouches_for_it(given: dict[str, str], lone: bool) -> None:
    """A second node, the operator's word, or the devnet, which is one's own."""
    assert load({f"COUNTERFOIL_{name}": value for name, value in given.items()}).is_lone is lone


@pytest.mark.parametrize(
    ("given", "enough"),
    [
        ({"NETWORK": "mainnet"}, False),
        ({"NETWORK": "mainnet", "TRON_NODE_URL": "http://a"}, False),
        ({"NETWORK": "mainnet", "TRON_NODE_URL": "http://a", "TRON_NODE_TRUSTED": "true"}, False),
        ({"NETWORK": "mainnet", "TRON_NODE_URL": "http://a,http://b"}, True),
        ({"NETWORK": "mainnet", "TRON_ONE_NODE": "true"}, True),
        ({"NETWORK": "nile"}, True),
        ({"NETWORK": "devnet"}, True),
    ],
)
def test_one_node_is_not_enough_for_real_coins(given: dict[str, str], enough: bool) -> None:
    """On mainnet two are needed, or a setting of this name; that the one is trusted says nothing of its being one."""
    settings = load({f"COUNTERFOIL_{name}": value for name, value in given.items()})
    assert settings.is_contradicted is enough
    if enough:
        refuse_one_node(settings)
    else:
        with pytest.raises(UserError, match="COUNTERFOIL_TRON_ONE_NODE"):
            refuse_one_node(settings)


@pytest.mark.parametrize(
    ("given", "apart"),
    [
        ({"NETWORK": "mainnet"}, False),
        ({"NETWORK": "mainnet", "CHECKPOINT_ARCHIVE": ".counterfoil/elsewhere"}, False),
        ({"NETWORK": "mainnet", "DATA": "/srv/books", "CHECKPOINT_ARCHIVE": "/srv/books/../books/checkpoints"}, False),
        ({"NETWORK": "mainnet", "CHECKPOINT_ARCHIVE": "/mnt/archive"}, True),
        ({"NETWORK": "mainnet", "DATA": "/srv/books", "CHECKPOINT_ARCHIVE": "/srv/books-archive"}, True),
        ({"NETWORK": "mainnet", "MODE": "aws"}, True),
        ({"NETWORK": "nile"}, True),
        ({"NETWORK": "devnet"}, True),
    ],
)
def test_of_real_coins_the_archive_lies_outside_the_data(given: dict[str, str], apart: bool) -> None:
    """A folder within it, however it is written, would be copied and rolled back with it."""
    settings = load({f"COUNTERFOIL_{name}": value for name, value in given.items()})
    if apart:
        refuse_archive_in_data(settings)
    else:
        with pytest.raises(UserError, match="COUNTERFOIL_CHECKPOINT_ARCHIVE"):
            refuse_archive_in_data(settings)


@pytest.mark.parametrize(
    "urls",
    [
        "http://a,http://a",
        "http://a,http://A/",
        "http://a,https://a",
        "http://a:80,http://a",
        "https://a.,https://a:443/",
    ],
)
def test_one_node_is_one_however_it_is_spelled(urls: str) -> None:
    """Two opinions of one node are one."""
    with pytest.raises(InvalidSettings, match="two opinions of one node are one"):
        load({"COUNTERFOIL_TRON_NODE_URL": urls})


@pytest.mark.parametrize(
    ("given", "lag_s_max"),
    [
        ({"NETWORK": "mainnet"}, 60),
        ({"NETWORK": "nile"}, 60),
        ({"NETWORK": "devnet"}, None),
        ({"NETWORK": "mainnet", "TRON_LAG_MAX_S": "0"}, 60),
        ({"NETWORK": "mainnet", "TRON_LAG_MAX_S": "10"}, 10),
        ({"NETWORK": "devnet", "TRON_LAG_MAX_S": "3600"}, 3_600),
    ],
)
def test_how_old_a_node_s_head_may_be(given: dict[str, str], lag_s_max: int | None) -> None:
    """A minute on public networks, no limit by the clock on a devnet, and whatever is set."""
    assert load({f"COUNTERFOIL_{name}": value for name, value in given.items()}).lag_s_max == lag_s_max


def test_all_mistakes_are_told_at_once() -> None:
    """Two wrong values are two sentences."""
    with pytest.raises(InvalidSettings) as caught:
        load({"COUNTERFOIL_HTTP_PORT": "x", "COUNTERFOIL_NETWORK": "y"})
    assert all(name in str(caught.value) for name in ("COUNTERFOIL_HTTP_PORT", "COUNTERFOIL_NETWORK"))


@pytest.mark.parametrize("text", ["", "0", "0.0", "0.000000", "00"])
def test_a_fee_may_be_nothing(text: str) -> None:
    """Zero in any of its forms, or an empty variable, is no fee."""
    assert load({"COUNTERFOIL_PAYOUT_FEE": text}).payout_fee_minor == 0


def test_secrets_show_nowhere() -> None:
    """No representation and no error message holds a secret (I13)."""
    secret = "correct-horse-battery-staple-and-more"
    names = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]
    assert {"database_url", "operator_api_key", "keystore_passphrase", "tron_api_key"} <= set(names)
    settings = load({f"COUNTERFOIL_{name.upper()}": secret for name in names})
    assert secret not in f"{settings!r}{settings}{settings.model_dump()}{settings.model_dump_json()}"
    with pytest.raises(InvalidSettings) as caught:
        load({"COUNTERFOIL_OPERATOR_API_KEY": "horse", "COUNTERFOIL_HTTP_PORT": "x"})
    assert "horse" not in str(caught.value)


def test_every_setting_says_what_it_is() -> None:
    """`counterfoil config` has a description of each to show."""
    assert all(field.description for field in Settings.model_fields.values())


def test_every_setting_is_read() -> None:
    """A setting that nothing asks for promises what does not happen."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "gateways").rglob("*.py")]
    read = {name for text in sources for name in re.findall(r"\b(?:settings|self|given|loaded)\.(\w+)", text)}
    composed = tuple({name for text in sources for name in re.findall(r'f"([a-z_]+_)\{', text)})  # for getattr
    assert [name for name in Settings.model_fields if name not in read and not name.startswith(composed)] == []
