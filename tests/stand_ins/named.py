"""Which services are named, by what, and what is said before anything is asked of them."""

import os
import secrets
from collections.abc import Mapping
from typing import Final, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.aws import CREDENTIALS, REGION, SERVICES, endpoint_variable

SAYS: Final = """Nothing is named that could stand in for AWS. Set one of these, and run it again:

  AWS_ENDPOINT_URL_<SERVICE>   another emulator of that service: SQS, DYNAMODB, KMS,
                               SECRETS_MANAGER or S3; what is not named is answered
                               by the tests' own emulator
  AWS_ENDPOINT_URL             another emulator of all of them
  AWS_PROFILE and YES=1        an account of your own, with AWS_REGION if the
                               profile has none

FAULTS=1 plays the table of faults on what is named, too.

  for example: AWS_ENDPOINT_URL_SQS=http://127.0.0.1:9324 make stand-ins"""

COST: Final = """This runs against AWS itself: account {account}, region {region}, as {arn}.

It makes queues, tables, keys, secrets and a bucket, each with a name (keys: a
tag) that begins with {prefix}, and removes them at its end. About:

  SQS               2,000 requests, within a month's free million; else 0.01 USD
  DynamoDB          3,000 requests by on-demand price                 0.01 USD
  KMS                  50 keys for some minutes (1 USD a month each)  0.07 USD
                      and 400 requests                                0.01 USD
  Secrets Manager     140 secrets for some minutes (0.40 USD a month) 0.08 USD
  S3                  100 requests                                    0.01 USD

less than 0.30 USD together, and about twenty minutes. Deleted keys stay in
PendingDeletion for 7 days, which AWS does not charge."""


class Unusable(Exception):
    """What was asked for cannot be done; the message says what to change."""


class Named(NamedTuple):
    """Where each named service answers; `account` for AWS itself."""

    where: Mapping[str, str]
    account: bool
    prefix: str

    def environment(self) -> dict[str, str]:
        """What tests/support/aws.py reads. Without an account no credentials of anybody's are at hand."""
        told = {"COUNTERFOIL_STAND_INS": " ".join(self.where), "COUNTERFOIL_STAND_INS_PREFIX": self.prefix}
        told["COUNTERFOIL_STAND_INS_FAULTS"] = os.environ.get("FAULTS", "")
        if self.account:
            return {**told, "COUNTERFOIL_TEST_AWS": "1"}
        return {**told, **CREDENTIALS, "AWS_DEFAULT_REGION": REGION}


def named(environ: Mapping[str, str]) -> Named:
    """Raises Unusable."""
    prefix = f"cf-{secrets.token_hex(3)}-"
    everywhere = environ.get("AWS_ENDPOINT_URL", "")
    where = {each: environ.get(endpoint_variable(each), everywhere) for each in SERVICES}
    where = {service: url for service, url in where.items() if url}
    if where:
        return Named(where, account=False, prefix=prefix)
    if not environ.get("AWS_PROFILE") and environ.get("YES") != "1":
        raise Unusable(SAYS)
    said = COST.format(**who_asks(), prefix=prefix)
    if environ.get("YES") != "1":
        raise Unusable(f"{said}\n\nNothing was asked of it yet. YES=1 make stand-ins runs it.")
    print(said, end="\n\n", flush=True)
    return Named(dict.fromkeys(SERVICES, "AWS"), account=True, prefix=prefix)


def who_asks() -> dict[str, str]:
    """Account, region and name of the profile. Raises Unusable."""
    try:
        session = boto3.session.Session()
        if not session.region_name:
            raise Unusable("no region is named: set AWS_REGION")
        told = session.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise Unusable(f"the profile cannot be used: {error}") from error
    return {"account": told["Account"], "region": session.region_name, "arn": told["Arn"]}


def apply(named: Named) -> None:
    """To this process: profiles and roles of whoever runs it are out of reach unless they were asked for."""
    if not named.account:
        os.environ.pop("AWS_PROFILE", None)
        os.environ.pop("AWS_SESSION_TOKEN", None)
    os.environ.update(named.environment())
