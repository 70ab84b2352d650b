"""Every process and every command asks AWS for nothing that its role refuses, and no role has what nobody asks for."""

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

import pytest

from gateways.cli.app import COMMANDS
from gateways.processes.registry import PROCESSES
from gateways.processes.terraform import document
from gateways.settings import load
from tests.support.aws import REGION, emulator
from tests.terraform.applied import PREFIX, WHOEVER_IAM_LETS, Applied, role_arn
from tests.terraform.iam import Policy, Request, allowed
from tests.terraform.rights.reasons import READ_LATER, REASONS
from tests.terraform.rights.recorded import SCRIPT, TOOLS, Call, recorded
from tests.terraform.rights.requests import Requests

NO_AWS: Final = {
    "demo": "plays on one machine, or on an emulator",
    "up": "is one machine",
    "run": "is the processes themselves",
    "devnet": "is no part of an installation",
    "health": "reads times of files",
    "config": "prints settings",
    "approvals": "makes a key where its owner is",
    "receipt": "is offline",
    "tx": "reads what it is given",
    "openapi": "prints a document",
    "completion": "prints what a shell reads",
    "backup": "is refused on AWS, where RDS does it; `verify` reads a folder",
}
"""Commands that ask nothing of AWS, and why."""


class World(NamedTuple):
    calls: list[Call]
    ended: Mapping[str, tuple[int, str]]
    requests: Requests
    policies: Mapping[str, list[Policy]]


def principal_of(call: Call) -> str:
    return role_arn(call.who)


@pytest.fixture(scope="module")
def world(aws: Applied, tmp_path_factory: pytest.TempPathFactory) -> World:
    """What was recorded, beside the policies that Terraform has made."""
    (vpc,) = [it["VpcId"] for it in aws.client("ec2").describe_vpcs()["Vpcs"] if not it["IsDefault"]]
    with emulator() as url:
        settings = load({}, mode="aws", aws_endpoint_url=url, aws_region=REGION, aws_prefix=PREFIX)
        calls, ended = recorded(settings, tmp_path_factory.mktemp("tools"))
    policies = {name: aws.role_policies(name) for name in (*PROCESSES, TOOLS)}
    for name, policy in payin_key_policies(aws).items():
        policies[name] = [policy]
    return World(calls, ended, Requests(aws, vpc), policies)


def payin_key_policies(aws: Applied) -> Mapping[str, Policy]:
    """The processes' policies where each deposit address has a key of its own, which have all that the others have."""
    plan = ("plan", "-refresh=false", "-input=false", "-no-color", "-var=payin_keys=kms", "-out=payin")
    aws.terraform.run(*plan, "-target=module.iam.aws_iam_role_policy.process")
    planned = json.loads(aws.terraform.run("show", "-json", "payin").stdout)["planned_values"]["root_module"]
    [iam] = [each for each in planned["child_modules"] if each["address"] == "module.iam"]
    return {
        each["index"]: json.loads(each["values"]["policy"])
        for each in iam["resources"]
        if each["address"].startswith("module.iam.aws_iam_role_policy.process[")
    }


def refused(world: World, call: Call) -> list[Request]:
    """What of a call IAM would refuse."""
    identity = world.policies[call.who]
    requests = list(world.requests.of(call, principal_of(call)))
    return [it for it in requests if not allowed(it, identity=identity, resource=world.requests.policy(it))]


def test_no_process_and_no_command_is_refused_what_it_asks_for(world: World) -> None:
    """Each recorded call, under the policies of its role, of the key, the secret, the queue or the bucket, is allowed."""
    found = {
        f"{call.asker}: {it.action} on {it.resource} {it.context}"
        for call in world.calls
        for it in refused(world, call)
    }
    assert found == set(), "\n".join(sorted(found))


def test_a_right_that_is_taken_away_is_missed(world: World) -> None:
    """The check can fail: without any one of its statements about data, a role refuses something that was asked."""
    identity = [{"Statement": [it for it in _statements(world.policies[TOOLS]) if it["Sid"] != "Webhooks"]}]
    calls = [call for call in world.calls if call.who == TOOLS]
    without = world._replace(policies={**world.policies, TOOLS: identity})
    assert "alarms list" in {call.asker for call in calls if refused(without, call)}


def test_every_right_is_asked_for_or_has_its_reason(world: World) -> None:
    """A statement's action that no process and no command asks for, and for which no reason stands, is given to nobody."""
    asked: dict[str, list[Request]] = {}
    for call in world.calls:
        asked.setdefault(call.who, []).extend(world.requests.of(call, principal_of(call)))
    never = {
        f"{name}: {statement['Sid']} {action}"
        for name, policies in world.policies.items()
        for statement in _statements(policies)
        for action in _listed(statement["Action"])
        if not REASONS.keys() & _spelled(name, statement, action)
        and not any(_gives(statement, action, request) for request in asked.get(name, []))
    }
    assert never == set(), "\n".join(sorted(never))


def test_every_secret_that_a_process_may_read_is_read(world: World) -> None:
    """A login or a key that a process has and never asks for is one more that is lost with it."""
    read = {(call.who, call.subject["SecretId"]) for call in world.calls if call.service == "secretsmanager"}
    given = {(name, PREFIX + secret) for name, each in document()["processes"].items() for secret in each["secrets"]}
    later = {(name, PREFIX + secret) for name, secret in READ_LATER}
    assert later <= given
    assert given - read - later == set()


def test_every_reason_is_of_a_right_that_somebody_has(world: World) -> None:
    """A reason for what is given to nobody is an old one."""
    given = {
        each
        for name, policies in world.policies.items()
        for statement in _statements(policies)
        for action in _listed(statement["Action"])
        for each in _spelled(name, statement, action)
    }
    assert REASONS.keys() <= given


def test_every_command_was_tried_or_asks_nothing_of_aws(world: World) -> None:
    """None ended because AWS or the database refused it, and none that opens an installation is left out."""
    tried = {line.split()[0] for line in SCRIPT.strip().splitlines()}
    assert tried | NO_AWS.keys() == COMMANDS.keys()
    assert not tried & NO_AWS.keys()
    assert {words: said for words, (code, said) in world.ended.items() if code in (3, 4) or "Traceback" in said} == {}
    assert {call.who for call in world.calls} == {*PROCESSES, TOOLS}


def _statements(policies: list[Policy]) -> list[Policy]:
    return [statement for policy in policies for statement in policy["Statement"]]


def _spelled(role: str, statement: Policy, action: str) -> set[str]:
    """How a reason may name it."""
    return {action, f"{statement['Sid']} {action}", f"{role}: {statement['Sid']} {action}"}


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _gives(statement: Policy, action: str, request: Request) -> bool:
    return request.action == action and allowed(
        request, identity=[{"Statement": [statement]}], resource=WHOEVER_IAM_LETS if action.startswith("kms:") else None
    )
