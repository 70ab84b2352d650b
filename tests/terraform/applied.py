"""The whole of terraform/ applied to the emulator: what AWS would then hold, read back over AWS' own API.

The emulator lacks a few calls, and the provider waits minutes for a database; the copy that is applied leaves those out, by
override files, and nothing else.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateways.aws.session import Aws
from gateways.settings import load
from tests.support.aws import CREDENTIALS, REGION, emulator
from tests.terraform.iam import Policy
from tests.terraform.terraform import Terraform, prepared, provider_mirror, terraform_binary

ACCOUNT: Final = "123456789012"
CUSTODIAN: Final = f"arn:aws:iam::{ACCOUNT}:role/custodian"
APPROVER: Final = f"arn:aws:iam::{ACCOUNT}:role/approver"
PREFIX: Final = "two-"
IMAGE_DIGEST: Final = "sha256:" + 64 * "0"

_ROOT: Final = """
terraform {
  backend "local" {}
}

provider "aws" {
  access_key                  = "of-an-emulator"
  secret_key                  = "of-an-emulator"
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}

# Nobody has pushed an image before the repository is there.
data "aws_ecr_image" "running" {
  for_each = {}
}

# The provider waits for minutes before it asks whether a database has started.
module "database" {
  source = "./emulated_database"
}
"""
_DATABASE: Final = """
output "address" {
  value = "database.example"
}
output "port" {
  value = 5432
}
output "database" {
  value = "counterfoil"
}
output "owner_secret_arn" {
  value = "arn:aws:secretsmanager:${var.region}:${var.account_id}:secret:rds!db-owner"
}
output "identifier" {
  value = "database"
}
"""
_LACKING: Final = {
    "observability": (
        "aws_xray_group.failed",
        "aws_prometheus_alert_manager_definition.this",
    ),
    "queues": ("aws_sqs_queue_redrive_allow_policy.this",),
}
"""Calls that the emulator does not have, or whose effect it does not tell."""
_FORGETFUL: Final = {"observability": ("aws_prometheus_workspace.this", "kms_key_arn")}
"""What the emulator does not keep, so that a second plan would make it anew."""

WHOEVER_IAM_LETS: Final[Policy] = {
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
    ]
}


class Applied:
    """What stands there: clients to ask with, Terraform's outputs, and Terraform itself. Policies are asked for once."""

    def __init__(
        self, session: boto3.session.Session, url: str, outputs: Mapping[str, Any], terraform: Terraform
    ) -> None:
        self._session = session
        self.url = url
        self.outputs = outputs
        self.terraform = terraform
        self.client = cache(self._client)
        self.role_policies = cache(self._role_policies)
        self.key = cache(self._key)
        self.resource_policy = cache(self._resource_policy)

    def services(self) -> Aws:
        """The program's own clients, for the settings that machines are given."""
        given = {name: value for name, value in self.outputs["settings"].items() if name.startswith("COUNTERFOIL_")}
        return Aws(load(given, aws_endpoint_url=self.url))

    def _client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self.url)

    def _role_policies(self, process: str) -> list[Policy]:
        """The identity policies of a process' role."""
        iam, role = self.client("iam"), f"{PREFIX}counterfoil-{process}"
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
        return [json.loads(unquote(each)) if isinstance(each, str) else each for each in documents]

    def _key(self, alias: str) -> tuple[str, Policy]:
        """ARN and policy of a key."""
        kms = self.client("kms")
        arn = kms.describe_key(KeyId=alias)["KeyMetadata"]["Arn"]
        return arn, json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])

    def _resource_policy(self, arn: str) -> Policy | None:
        """The policy that a resource itself has; None where it has none, as tables and RDS' own secrets."""
        service, name = arn.split(":")[2], arn.rpartition(":")[2]
        match service:
            case "kms" if name.removeprefix("key/") in self._keys():
                return dict(json.loads(self.client("kms").get_key_policy(KeyId=arn, PolicyName="default")["Policy"]))
            case "kms":  # a key that is made later has the policy that KMS gives where none is said
                return WHOEVER_IAM_LETS
            case "secretsmanager" if "secret:rds!" not in arn:
                manager = self.client("secretsmanager")
                return dict(json.loads(manager.get_resource_policy(SecretId=arn)["ResourcePolicy"]))
            case "s3":
                bucket = name.partition("/")[0]
                return dict(json.loads(self.client("s3").get_bucket_policy(Bucket=bucket)["Policy"]))
            case "sqs":
                sqs = self.client("sqs")
                url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
                known = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
                return dict(json.loads(known["Policy"])) if known else None
        return None

    def _keys(self) -> set[str]:
        pages = self.client("kms").get_paginator("list_keys").paginate()
        return {each["KeyId"] for page in pages for each in page["Keys"]}


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}counterfoil-{name}"


@contextmanager
def applied(folder: Path) -> Iterator[Applied]:
    """An installation with the prefix PREFIX. Skips where terraform or its provider is not there."""
    terraform_binary(), provider_mirror()
    authority = folder / "authority.pem"
    with pytest.MonkeyPatch.context() as patch, emulator_of(patch) as url:
        session = boto3.session.Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )
        certificate, key = _certificate()
        authority.write_bytes(certificate)
        acm = session.client("acm", endpoint_url=url)
        imported = acm.import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
        terraform = prepared(folder, {"AWS_ENDPOINT_URL": url, **CREDENTIALS}, before_init=_adapt)
        variables = {
            "region": REGION,
            "prefix": PREFIX,
            "network": "mainnet",
            "signer_settings": {
                "SIGNER_PAYOUT_MAX": "5000",
                "SIGNER_HOUR_MAX": "20000",
                "SIGNER_DAY_MAX": "unlimited",
                "SIGNER_COLD_ADDRESS": "none",
            },
            "tron_node_urls": ["https://one.example", "https://two.example", "https://three.example"],
            "tron_node_cidrs": ["198.51.100.0/24"],
            "certificate_arn": imported,
            "database_ca_file": str(authority),
            "key_custodian_arns": [CUSTODIAN],
            "key_approver_arns": [APPROVER],
            "image_digest": IMAGE_DIGEST,
            "ami_id": "ami-0123456789abcdef0",
            "github_repository": "example/counterfoil",
            "alarm_emails": ["operators@example.com"],
            "settings": {"PAYOUT_FEE": "0.5"},
            "further_wallet_keys": {"hot": ["hot-2"]},
        }
        (terraform.folder / "test.auto.tfvars.json").write_text(json.dumps(variables))
        terraform.run("apply", "-auto-approve", "-input=false", "-no-color", "-parallelism=30")
        told = json.loads(terraform.run("output", "-json").stdout)
        yield Applied(session, url, {name: each["value"] for name, each in told.items()}, terraform)


def emulator_of(patch: pytest.MonkeyPatch) -> AbstractContextManager[str]:
    """The emulator, with the policies that AWS itself keeps: two of our roles have one of them."""
    patch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    for name, value in CREDENTIALS.items():
        patch.setenv(name, value)
    return emulator()


def _adapt(copy: Path) -> None:
    (copy / "emulator_override.tf").write_text(_ROOT)
    database = copy / "emulated_database"
    database.mkdir()
    shutil.copy(copy / "database" / "variables.tf", database)
    (database / "outputs.tf").write_text(_DATABASE.replace("${var.region}", REGION))
    for module, resources in _LACKING.items():
        blocks = []
        for resource in resources:
            kind, name = resource.split(".")
            none = "for_each = {}" if kind.startswith("aws_sqs") else "count = 0"
            blocks.append(f'resource "{kind}" "{name}" {{\n  {none}\n}}\n')
        for name, attribute in [_FORGETFUL[module]] if module in _FORGETFUL else []:
            ignored = f"lifecycle {{\n    ignore_changes = [{attribute}]\n  }}"
            blocks.append('resource "{}" "{}" {{\n  {}\n}}\n'.format(*name.split("."), ignored))
        (copy / module / "emulator_override.tf").write_text("\n".join(blocks))


def _certificate() -> tuple[bytes, bytes]:
    """One that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), private
