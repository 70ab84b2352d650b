"""Every setting, once: environment variables with the prefix COUNTERFOIL_, read at start, frozen afterwards.

An unknown COUNTERFOIL_ variable is an error: a typing mistake must not silently leave a default in place.
"""

import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from core.ledger.money import parse_amount
from core.tron.address import USDT_MAINNET, USDT_NILE, Address
from gateways.node_addresses import NodeAddress, grpc_urls, node_urls, solidity_grpc_url, solidity_urls, url_text
from gateways.rate import rate_of
from gateways.signer_settings import MOST, approvers_text, cold_text, limit_text

PREFIX: Final = "COUNTERFOIL_"

Network = Literal["devnet", "nile", "mainnet"]

GENESIS_IDS: Final[dict[str, str]] = {
    "mainnet": "00000000000000001ebf88508a03865c71d452e25f4d51194196a1d22b6653dc",
    "nile": "0000000000000000d698d4192c56cb6be724a558448e2684802de4d6cd8690dc",
}
"""Block 0 of the public networks: a node that has another one is on another network. A chain id is its last 4 bytes."""

_NODE_URLS: Final[dict[str, str]] = {
    "devnet": "http://127.0.0.1:8090",
    "nile": "https://nile.trongrid.io",
    "mainnet": "https://api.trongrid.io",
}


class InvalidSettings(Exception):
    """The environment does not make a configuration; the message names each variable and what to do."""


def _amount(text: str) -> str:
    """An amount as money.py has it, or zero in any of its forms."""
    if not text.strip("0."):
        return "0"
    parse_amount(text, "USDT")
    return text


def _rate(text: str) -> str:
    rate_of(text)
    return text


def _lag(seconds: int) -> int:
    if seconds and not 10 <= seconds <= 3_600:
        raise ValueError("it must lie between 10 and 3600 (a block comes every 3 s, and some are left out), or be 0")
    return seconds


def _aws_prefix(text: str) -> str:
    if not re.fullmatch(r"([a-z][a-z0-9-]{0,30}-)?", text):
        raise ValueError("use small letters, digits and hyphens, up to 32, with a hyphen at the end")
    return text


def _udp_address(text: str) -> str:
    if text and not re.fullmatch(r"[^\s:/]+:[1-9][0-9]{0,4}", text):
        raise ValueError("write it as host:port, 127.0.0.1:2000 say")
    return text


def _networks(text: str) -> str:
    if text:
        for each in text.split(","):
            ip_network(each.strip())
    return text


def _long_enough(secret: SecretStr) -> SecretStr:
    if 0 < len(secret) < 32:
        raise ValueError("it must have at least 32 characters")
    return secret


def _address(text: str) -> str:
    return Address.from_base58(text).base58 if text else text


Amount = Annotated[str, AfterValidator(_amount)]
SignerLimit = Annotated[str, AfterValidator(limit_text)]
Url = Annotated[str, AfterValidator(url_text)]


_OWN_LOGIN: Final[Any] = Field(
    SecretStr(""),
    description="The database as this role logs in to it; empty: by DATABASE_URL, or the login made for it",
)


class Settings(BaseModel):
    """The configuration of a process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["embedded", "aws"] = Field("embedded", description="Which platform: one machine, or managed services")
    data: Path = Field(Path(".counterfoil"), description="Folder of the embedded database, keystore and devnet chain")
    database_url: SecretStr = Field(SecretStr(""), description="A Postgres of yours; empty: one is started in DATA")
    database_url_api: SecretStr = _OWN_LOGIN
    database_url_recorder: SecretStr = _OWN_LOGIN
    database_url_signer: SecretStr = _OWN_LOGIN
    database_url_observer: SecretStr = _OWN_LOGIN
    database_url_relay: SecretStr = _OWN_LOGIN
    database_url_webhooks: SecretStr = _OWN_LOGIN
    database_url_checkpointer: SecretStr = _OWN_LOGIN
    database_url_projector: SecretStr = _OWN_LOGIN
    database_url_reader: SecretStr = _OWN_LOGIN
    network: Network = Field("devnet", description="Which Tron network")
    tron_node_url: Annotated[str, AfterValidator(node_urls)] = Field(
        "",
        description="The nodes to read from and broadcast to, with commas between, the preferred one first; from two on,"
        " what is final must be agreed by two; empty: the network's default",
    )
    tron_solidity_url: Annotated[str, AfterValidator(solidity_urls)] = Field(
        "", description="The nodes to read solid blocks from, one for each of TRON_NODE_URL; empty: the same nodes"
    )
    tron_api_key: SecretStr = Field(
        SecretStr(""),
        description="Sent as TRON-PRO-API-KEY; with several nodes one for each, with commas between, empty for none",
    )
    tron_grpc_url: Annotated[str, AfterValidator(grpc_urls)] = Field(
        "",
        description="Where the nodes answer by gRPC (grpc://host:50051, grpcs:// for TLS), one for each of TRON_NODE_URL,"
        " empty for none: blocks and receipts are then read as the node stores them, whatever a stranger put there",
    )
    tron_grpc_solidity_url: Annotated[str, AfterValidator(grpc_urls)] = Field(
        "",
        description="Where they answer for solid blocks, one for each of TRON_GRPC_URL; empty: port 50061 for 50051, as"
        " java-tron has it, and the same address for any other port",
    )
    tron_node_trusted: bool = Field(
        False, description="The one node is your own: what its receipts alone show is credited, too; a devnet always is"
    )
    tron_one_node: bool = Field(
        False,
        description="On mainnet one node will do, said by name: nobody contradicts it, which /readyz goes on saying",
    )
    tron_lag_max_s: Annotated[int, AfterValidator(_lag)] = Field(
        0,
        description="How many seconds a node's newest block may be old before it counts as behind, from 10 to 3600; 0: 60, and"
        " on a devnet, whose clock is its own, only beside its other nodes",
    )
    usdt_contract: Annotated[str, AfterValidator(_address)] = Field(
        "", description="The token's contract; empty: the network's USDT"
    )
    http_host: str = Field("127.0.0.1", description="Where the API listens")
    http_port: int = Field(8080, ge=0, le=65535, description="The API's port; 0 takes a free one")
    operator_api_key: Annotated[SecretStr, AfterValidator(_long_enough)] = Field(
        SecretStr(""), description="An operator key to accept, at least 32 characters"
    )
    keystore: Path = Field(Path(""), description="The signer's key file; empty: DATA/keystore.json")
    keystore_passphrase: SecretStr = Field(SecretStr(""), description="Opens the keystore")
    keystore_passphrase_file: Path = Field(Path(""), description="A file whose first line opens the keystore")
    aws_region: str = Field("", description="The AWS region; empty: the SDK's own (AWS_REGION, AWS_DEFAULT_REGION)")
    aws_endpoint_url: Url = Field("", description="Where AWS services answer; empty: AWS itself")
    aws_prefix: Annotated[str, AfterValidator(_aws_prefix)] = Field(
        "", description="Put before every name in AWS, for two installations in one account"
    )
    database_owner_secret: str = Field(
        "", description="On AWS, the secret of the owner's login, by name or ARN; empty: counterfoil/database/owner"
    )
    queue_poll_s: int = Field(
        20, ge=1, le=20, description="On AWS, how many seconds an empty queue is waited for; each wait is a call"
    )
    hot_kms_key: str = Field("", description="On AWS, the hot wallet's key by id, ARN or alias; empty: its alias")
    gas_kms_key: str = Field("", description="On AWS, the gas wallet's key by id, ARN or alias; empty: its alias")
    seed_kms_key: str = Field(
        "", description="On AWS, the key that wraps the deposit seed, by id, ARN or alias; empty: its alias"
    )
    payin_keys: Literal["derived", "kms"] = Field(
        "derived", description="Deposit addresses: derived from one seed, or, on AWS, a KMS key for each"
    )
    otlp_endpoint: Url = Field(
        "", description="Where traces are sent (OTLP over HTTP); empty: to the X-Ray daemon, if any"
    )
    xray_daemon: Annotated[str, AfterValidator(_udp_address)] = Field(
        "",
        description="The X-Ray daemon as host:port; empty: none, or 127.0.0.1:2000 in MODE=aws without OTLP_ENDPOINT",
    )
    trace_ratio: float = Field(1.0, ge=0, le=1, description="The share of traces that are kept, from 0 to 1")
    metrics_host: str = Field("127.0.0.1", description="Where each process serves its metrics")
    metrics_port: int = Field(
        0,
        ge=0,
        le=65_500,
        description="The port of its metrics, for Prometheus, without a key; `counterfoil up` gives each process the next"
        " one; 0: only the API has them, at /metrics",
    )
    payout_fee: Amount = Field("0", description="USDT charged for a payout, beside its amount")
    payout_min: Amount = Field("0.000001", description="The smallest payout in USDT")
    payin_min: Amount = Field("0", description="Smaller deposits are credited when solid but not announced before")
    sweep_threshold: Amount = Field("50", description="USDT on a deposit address that make a sweep worth its cost")
    sweep_max: Amount = Field("1000000", description="The most USDT that one sweep moves; the rest waits for the next")
    sweep_cost_max_percent: int = Field(
        2, ge=1, le=100, description="The most a sweep may cost, as a share of what it moves"
    )
    sweep_interval_s: int = Field(
        600, ge=0, le=86_400, description="Chain time between two looks for what is to be swept; 0: only by hand"
    )
    sweeps_open_max: int = Field(50, ge=1, le=1000, description="How many sweeps may be under way at the same time")
    trx_price: Amount = Field("0.30", description="What a TRX costs in USDT, to weigh what a sweep burns")
    gas_daily_max_trx: int = Field(
        5_000, ge=1, description="The most TRX that sweeps may take from the gas wallet within 24 hours"
    )
    left_over_trx: int = Field(
        5, ge=0, description="TRX on an address without USDT to sweep that are taken back to the gas wallet; 0: none"
    )
    hot_floor: Amount = Field(
        "0", description="USDT below which an alarm is raised and sweeps fill the hot wallet first"
    )
    hot_ceiling: Amount = Field(
        "0",
        description="USDT in the hot wallet above which sweeps, and what it has too much, go to the cold wallet; 0: none",
    )
    hot_floor_trx: int = Field(
        0, ge=0, description="TRX of the hot wallet, for fees, below which an alarm is raised; 0: none"
    )
    gas_floor_trx: int = Field(0, ge=0, description="TRX of the gas wallet below which an alarm is raised; 0: none")
    energy_floor: int = Field(
        0, ge=0, description="Energy that the gas wallet's stake can lend, below which an alarm is raised; 0: none"
    )
    fee_limit_max_trx: int = Field(
        60, ge=1, le=1000, description="The most TRX a payout or a sweep's transfer may burn"
    )
    signer_payout_max: SignerLimit = Field("", description=f"{MOST} in one payout; mainnet has no default")
    signer_hour_max: SignerLimit = Field("", description=f"{MOST} within an hour; mainnet has no default")
    signer_day_max: SignerLimit = Field("", description=f"{MOST} within 24 hours; mainnet has no default")
    signer_approvers: Annotated[str, AfterValidator(approvers_text)] = Field(
        "", description="Who may approve more: what `counterfoil approvals keygen` printed of each, with commas between"
    )
    signer_cold_address: Annotated[str, AfterValidator(cold_text)] = Field(
        "", description="Where alone signers bring coins to cold storage; mainnet has no default, `none` is a value"
    )
    signer_approvals: int = Field(1, ge=1, le=10, description="How many of them a payout above the limits takes")
    payout_expiration_s: int = Field(120, ge=30, le=3600, description="Chain time after which unsent bytes are dead")
    address_pool: int = Field(200, ge=1, le=100_000, description="How many deposit addresses are kept ready")
    rate_limit: Annotated[str, AfterValidator(_rate)] = Field("600/minute", description="Requests per API key")
    webhook_allow_loopback: bool = Field(False, description="For development: webhooks may go to this machine")
    operator_webhook_url: Url = Field(
        "", description="Where alarms are sent, as webhooks signed with the secret of `counterfoil alarms secret`"
    )
    checkpoint_interval_s: int = Field(
        60, ge=1, le=86_400, description="A signed checkpoint of the history is made so often, if anything happened"
    )
    checkpoint_archive: Path = Field(
        Path(""),
        description="The folder, outside the database, that keeps every checkpoint; empty: DATA/checkpoints, which on"
        " mainnet is refused",
    )
    checkpoint_bucket: str = Field("", description="On AWS, the bucket with object lock that keeps every checkpoint")
    checkpoint_origin: str = Field(
        "", description="The name under which checkpoints are signed; empty: counterfoil/NETWORK"
    )
    backup_age_max_h: int = Field(
        0, ge=0, le=8_760, description="Hours after which an alarm is raised if no newer backup was made; 0: none"
    )
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = Field(
        "",
        description="Networks of load balancers, with commas between, whose X-Forwarded-For is believed; empty: nobody's",
    )
    http_connections_max: int = Field(512, ge=1, description="Open connections; more are refused")
    database_pool: int = Field(16, ge=1, le=200, description="Connections for queries of one API process")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is logged")
    process_uids: int = Field(
        58_200,
        ge=0,
        description="Run by root, `up` makes each kind of process a user: the first of ten free numbers; 0: none",
    )
    pulse: Path = Field(
        Path(""), description="Folder where processes leave a sign of life, for `counterfoil health`; empty: none"
    )

    @field_validator("tron_solidity_url", "tron_grpc_url", "tron_grpc_solidity_url")
    @classmethod
    def _one_for_each_node(cls, text: str, info: ValidationInfo) -> str:
        if text and text.count(",") != info.data.get("tron_node_url", "").count(","):
            raise ValueError("it needs as many as TRON_NODE_URL has, in the same order")
        return text

    @field_validator("tron_api_key")
    @classmethod
    def _none_left_over(cls, keys: SecretStr, info: ValidationInfo) -> SecretStr:
        if keys.get_secret_value().count(",") > info.data.get("tron_node_url", "").count(","):
            raise ValueError("it has more keys than TRON_NODE_URL has nodes")
        return keys

    @field_validator("hot_ceiling")
    @classmethod
    def _above_the_floor(cls, ceiling: str, info: ValidationInfo) -> str:
        if 0 < _minor(ceiling) <= _minor(info.data.get("hot_floor", "0")):
            raise ValueError("it must lie above HOT_FLOOR")
        return ceiling

    @field_validator("payin_keys")
    @classmethod
    def _kms_is_on_aws(cls, kind: str, info: ValidationInfo) -> str:
        if kind == "kms" and info.data.get("mode") != "aws":
            raise ValueError("a KMS key for each address needs COUNTERFOIL_MODE=aws")
        return kind

    @property
    def nodes(self) -> list[NodeAddress]:
        """Each node's addresses and key. A single key is the first node's: no provider is shown another's."""
        urls = (self.tron_node_url or _NODE_URLS[self.network]).split(",")
        solidity = self.tron_solidity_url.split(",") if self.tron_solidity_url else urls
        keys = self.tron_api_key.get_secret_value().split(",")
        by_grpc, solid_by_grpc = self.tron_grpc_url.split(","), self.tron_grpc_solidity_url.split(",")
        each = zip_longest(urls, solidity, keys, by_grpc, solid_by_grpc, fillvalue="")
        return [
            NodeAddress(url, solid or url, key.strip(), grpc, (solid_grpc or solidity_grpc_url(grpc)) if grpc else "")
            for url, solid, key, grpc, solid_grpc in each
        ]

    @property
    def is_lone(self) -> bool:
        """Whether one node is all there is, and nobody vouches for it: its word alone moves no money (I21)."""
        return len(self.nodes) == 1 and not self.tron_node_trusted and self.network != "devnet"

    @property
    def is_contradicted(self) -> bool:
        """Whether enough nodes are there for real coins, or somebody has said by name that one will do."""
        return self.network != "mainnet" or len(self.nodes) > 1 or self.tron_one_node

    @property
    def lag_s_max(self) -> int | None:
        """How old a node's head may be by the clock; None where the chain's time is another."""
        return self.tron_lag_max_s or (None if self.network == "devnet" else 60)

    @property
    def usdt(self) -> Address:
        given = self.usdt_contract or (USDT_NILE if self.network == "nile" else USDT_MAINNET)
        return Address.from_base58(given)

    @property
    def keystore_path(self) -> Path:
        # Where the signers are an OS user of their own, it stands in a folder of theirs, with all that they keep beside it.
        apart = self.data / "keys" / "keystore.json"
        return self.keystore if self.keystore != Path("") else apart if apart.exists() else self.data / "keystore.json"

    @property
    def xray_daemon_address(self) -> str:
        """Where segments go when no collector takes spans; empty: nowhere."""
        return self.xray_daemon or ("127.0.0.1:2000" if self.mode == "aws" else "")

    @property
    def checkpoint_archive_path(self) -> Path:
        return self.checkpoint_archive if self.checkpoint_archive != Path("") else self.data / "checkpoints"

    def passphrase(self) -> str:
        """The keystore's passphrase, from its setting or its file's first line. Raises InvalidSettings for no such file."""
        if self.keystore_passphrase_file == Path(""):
            return self.keystore_passphrase.get_secret_value()
        try:
            lines = self.keystore_passphrase_file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise InvalidSettings(f"{PREFIX}KEYSTORE_PASSPHRASE_FILE cannot be read: {error}") from error
        return lines[0] if lines else ""

    @staticmethod
    def minor(amount: str) -> int:
        """An amount of these settings in minor units of USDT."""
        return _minor(amount)

    @property
    def payout_fee_minor(self) -> int:
        return _minor(self.payout_fee)

    @property
    def payout_min_minor(self) -> int:
        return _minor(self.payout_min)

    @property
    def payin_min_minor(self) -> int:
        return _minor(self.payin_min)


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Settings from the environment; `overrides` win (command-line flags). Raises InvalidSettings with all that is wrong."""
    environ = os.environ if environ is None else environ
    given = {key[len(PREFIX) :].lower(): value for key, value in environ.items() if key.startswith(PREFIX)}
    unknown = sorted(given.keys() - Settings.model_fields.keys())
    if unknown:
        names = ", ".join(PREFIX + name.upper() for name in unknown)
        raise InvalidSettings(f"unknown setting {names}: `counterfoil config` lists every setting there is")
    try:
        return Settings(**{**given, **overrides})
    except ValidationError as error:
        wrong = (
            f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_input=False)
        )
        raise InvalidSettings("; ".join(wrong)) from None


def _minor(text: str) -> int:
    return 0 if text == "0" else parse_amount(text, "USDT")
