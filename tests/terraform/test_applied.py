"""terraform/ applied to an emulator of AWS: what stands is what the program asks for, and policies keep what they promise."""

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from core.ports.clients import AuditEntry
from core.ports.queues import Message
from gateways import queues
from gateways.aws import names
from gateways.aws.api_keys import DynamoApiKeys
from gateways.aws.audit_log import DynamoAuditLog
from gateways.aws.queue import SqsQueue
from gateways.aws.queue_sizes import widen
from gateways.processes.registry import PROCESSES
from gateways.processes.terraform import document, is_signer
from gateways.settings import load
from tests.terraform.applied import ACCOUNT, APPROVER, CUSTODIAN, IMAGE_DIGEST, PREFIX, Applied, role_arn
from tests.terraform.iam import Context, Policy, Request, allowed
from tests.terraform.limits import ALARM_METRICS, Limit, limits

ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:role/administrator"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
EVERYTHING: Policy = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
KINDS = (*PROCESSES, "tools")
OF_TABLES = (
    "GetItem",
    "BatchGetItem",
    "Query",
    "Scan",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "ConditionCheckItem",
    "BatchWriteItem",
    "DeleteTable",
    "UpdateTable",
)


@pytest.fixture(scope="module")
def inside(aws: Applied) -> Context:
    """A request from within the network, for a signature as the program asks for it."""
    (vpc,) = [each["VpcId"] for each in aws.client("ec2").describe_vpcs()["Vpcs"] if not each["IsDefault"]]
    return {"aws:SourceVpc": vpc, "kms:MessageType": "DIGEST", "kms:SigningAlgorithm": "ECDSA_SHA_256"}


def identity_of(aws: Applied, principal: str) -> list[Policy]:
    """A process has its own policies; everybody else is taken to have an administrator's."""
    known = {role_arn(name): name for name in KINDS}
    return aws.role_policies(known[principal]) if principal in known else [EVERYTHING]


# What stands there


def test_every_queue_is_there_as_the_program_wants_it(aws: Applied) -> None:
    """Names, order, retention, visibility and encryption of each queue and its dead letters are the program's own."""
    sqs = aws.client("sqs")
    wanted = names.QUEUE_ATTRIBUTES
    widen(aws.services())  # as `counterfoil migrate` does, where the provider stops at 256 KiB
    assert widen(aws.services()) == []
    for queue in queues.QUEUES:
        dead = sqs.get_queue_url(QueueName=names.dead_queue_name(PREFIX, queue))["QueueUrl"]
        url = sqs.get_queue_url(QueueName=names.queue_name(PREFIX, queue))["QueueUrl"]
        letters = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]
        its = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert {name: its.get(name) for name in wanted} == wanted, queue
        assert {name: letters.get(name) for name in wanted} == wanted, queue
        redrive = json.loads(its["RedrivePolicy"])
        assert redrive["deadLetterTargetArn"] == letters["QueueArn"]
        assert int(redrive["maxReceiveCount"]) == names.RECEIVES_MAX
        assert "RedrivePolicy" not in letters
    made = sqs.list_queues(QueueNamePrefix=PREFIX)["QueueUrls"]
    assert len(made) == 2 * len(queues.QUEUES + queues.FORMER_QUEUES)


def test_every_table_is_there_with_its_keys_and_indexes(aws: Applied) -> None:
    """Keys, indexes, what they hold and what expires are the program's own; every second of the past can be restored."""
    dynamodb = aws.client("dynamodb")
    for table in names.TABLES:
        its = dynamodb.describe_table(TableName=PREFIX + table.name)["Table"]
        assert keys_of(its) == (table.hash_key, table.range_key)
        indexes = {each["IndexName"]: each for each in its.get("GlobalSecondaryIndexes", [])}
        assert {name: keys_of(each) for name, each in indexes.items()} == {
            index.name: (index.hash_key, index.range_key) for index in table.indexes
        }
        assert {each["Projection"]["ProjectionType"] for each in indexes.values()} <= {"KEYS_ONLY"}
        assert all(each["AttributeType"] == "S" for each in its["AttributeDefinitions"])
        assert its["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert its["SSEDescription"]["SSEType"] == "KMS"
        assert its["DeletionProtectionEnabled"] is True
        expiry = dynamodb.describe_time_to_live(TableName=PREFIX + table.name)["TimeToLiveDescription"]
        assert (expiry["AttributeName"], expiry["TimeToLiveStatus"]) == (table.ttl, "ENABLED")
        backups = dynamodb.describe_continuous_backups(TableName=PREFIX + table.name)["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert len(dynamodb.list_tables()["TableNames"]) == len(names.TABLES)


def keys_of(its: dict[str, Any]) -> tuple[str, str | None]:
    keys = {each["KeyType"]: each["AttributeName"] for each in its["KeySchema"]}
    return keys["HASH"], keys.get("RANGE")


def test_every_key_is_there_by_its_alias(aws: Applied) -> None:
    """Wallet keys sign on Tron's curve; the seed's key wraps."""
    kms = aws.client("kms")
    for name in names.WALLET_KEYS:
        its = kms.describe_key(KeyId=names.key_alias(PREFIX, name))["KeyMetadata"]
        assert (its["KeySpec"], its["KeyUsage"]) == ("ECC_SECG_P256K1", "SIGN_VERIFY")
    for name in names.WRAPPING_KEYS:
        its = kms.describe_key(KeyId=names.key_alias(PREFIX, name))["KeyMetadata"]
        assert (its["KeySpec"], its["KeyUsage"]) == ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
        assert kms.get_key_rotation_status(KeyId=its["KeyId"])["KeyRotationEnabled"] is True


def test_every_secret_is_there_and_empty(aws: Applied) -> None:
    """Terraform makes the places and knows no value: none stands in its state."""
    manager = aws.client("secretsmanager")
    wanted = {names.secret_name(PREFIX, name) for name in (*names.SECRETS, *names.LOGIN_SECRETS)}
    assert {each["Name"] for each in manager.list_secrets(MaxResults=100)["SecretList"]} == wanted
    for name in wanted:
        with pytest.raises(manager.exceptions.ResourceNotFoundException):
            manager.get_secret_value(SecretId=name)


def test_the_settings_are_ones_the_program_takes(aws: Applied) -> None:
    """Every variable that machines are given is a setting of the program, valid and without a secret."""
    given = aws.outputs["settings"]
    settings = load({name: value for name, value in given.items() if name.startswith("COUNTERFOIL_")})
    assert (settings.mode, settings.network, settings.aws_prefix) == ("aws", "mainnet", PREFIX)
    assert len(settings.trusted_proxies.split(",")) == 2
    assert len(settings.nodes) == 3
    assert settings.payout_fee == "0.5"
    assert "sslmode=verify-full" in settings.database_url.get_secret_value()
    assert "@" not in settings.database_url.get_secret_value()
    assert given.keys() - {name for name in given if name.startswith("COUNTERFOIL_")} == {"AWS_REGION"}


def test_the_program_s_own_adapters_find_everything(aws: Applied) -> None:
    """A message goes through each queue, and an entry into the tables, with names that nobody repeats in a test."""
    services = aws.services()
    widen(services)
    body = b'["' + b"large" * 200_000 + b'"]'  # a segment may be as large
    for name in queues.QUEUES:
        queue = SqsQueue(services, name)
        queue.send([Message(body=body, group="a", key="a")])
        (received,) = queue.receive(10)
        assert received.body == body
        queue.delete([received.receipt])
        assert queue.dead_depth() == 0
    audit, now = DynamoAuditLog(services), datetime(2026, 11, 26, tzinfo=UTC)
    audit.add([AuditEntry("account", now, "test", "nobody", "system", {}, None, "request")])
    assert [entry.action for _, entry in audit.page("account", None, 10)] == ["test"]
    assert DynamoApiKeys(services).find("no such hash") is None


# Machines


def test_every_process_has_machines_that_run_it_and_nothing_else(aws: Applied) -> None:
    """Each group's machines ask for their credentials with a token, write nothing unencrypted, have no address outside and
    start one container by digest, as nobody, on a file system that cannot be written.
    """
    groups = {
        each["AutoScalingGroupName"]: each
        for each in aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    }
    assert groups.keys() == {f"{PREFIX}counterfoil-{name}" for name in KINDS}
    for name in KINDS:
        data = template_of(aws, name)
        assert data["MetadataOptions"]["HttpTokens"] == "required"
        assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
        assert data["NetworkInterfaces"][0]["AssociatePublicIpAddress"] is False
        script = gzip.decompress(base64.b64decode(data["UserData"])).decode()
        for flag in ("--read-only", "--cap-drop ALL", "no-new-privileges", "--pids-limit", f"@{IMAGE_DIGEST}"):
            assert flag in script, (name, flag)
        assert "BEGIN CERTIFICATE" in script
        assert ("run " + name in script) == (name != "tools")
        assert len(base64.b64decode(data["UserData"])) < 16_384


def template_of(aws: Applied, name: str) -> dict[str, Any]:
    found = aws.client("ec2").describe_launch_template_versions(LaunchTemplateName=f"{PREFIX}counterfoil-{name}")
    data: dict[str, Any] = found["LaunchTemplateVersions"][-1]["LaunchTemplateData"]
    return data


def test_signers_stand_in_subnets_of_their_own(aws: Applied) -> None:
    """Machines with keys and machines without share no subnet, in two zones or more."""
    subnets = {each["SubnetId"]: each for each in aws.client("ec2").describe_subnets()["Subnets"]}
    for group in aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]:
        name = group["AutoScalingGroupName"].removeprefix(f"{PREFIX}counterfoil-")
        its = [subnets[each] for each in group["VPCZoneIdentifier"].split(",")]
        kinds = {tag["Value"] for each in its for tag in each["Tags"] if tag["Key"] == "Kind"}
        assert kinds == {"signers" if name != "tools" and is_signer(PROCESSES[name]) else "processes"}, name
        assert len({each["AvailabilityZone"] for each in its}) >= 2


def test_security_groups_let_through_what_each_process_needs(aws: Applied) -> None:
    """Only the balancer is asked from outside, the API by it and by operators; who neither asks nodes nor posts stays in."""
    ec2 = aws.client("ec2")
    groups = {each["GroupId"]: each["GroupName"] for each in ec2.describe_security_groups()["SecurityGroups"]}
    outward: dict[str, set[tuple[str, int]]] = {name: set() for name in KINDS}
    asked: dict[str, set[str]] = {}
    for rule in ec2.describe_security_group_rules()["SecurityGroupRules"]:
        owner = groups[rule["GroupId"]]
        if not owner.startswith(f"{PREFIX}counterfoil-"):
            continue
        name = owner.removeprefix(f"{PREFIX}counterfoil-").rpartition("-")[0]
        if rule["IsEgress"] and "CidrIpv4" in rule and name in outward:
            outward[name].add((rule["CidrIpv4"], rule["FromPort"]))
        if not rule["IsEgress"]:
            source = rule.get("CidrIpv4") or groups[rule["ReferencedGroupInfo"]["GroupId"]]
            asked.setdefault(name, set()).add(source.removeprefix(f"{PREFIX}counterfoil-").rpartition("-")[0] or source)
    for name in KINDS:
        reaches = PROCESSES[name].deployment.reaches if name in PROCESSES else ("nodes",)
        nodes = {("198.51.100.0/24", 443)} if "nodes" in reaches else set()
        webhooks = {("0.0.0.0/0", 443)} if "webhooks" in reaches else set()
        assert outward[name] == nodes | webhooks, name
        assert asked.get(name, set()) == ({"balancer", "tools"} if name == "api" else set()), name
    assert asked["balancer"] == {"0.0.0.0/0"}
    assert asked["database"] == set(KINDS)


# Who may do what


def may(aws: Applied, principal: str, action: str, alias: str, context: Context) -> bool:
    arn, policy = aws.key(alias)
    request = Request(principal, action, arn, context)
    return allowed(request, identity=identity_of(aws, principal), resource=policy)


def test_a_wallet_signs_for_the_roles_that_the_program_names_and_for_nobody_else(aws: Applied, inside: Context) -> None:
    """kms:Sign is given to a signer's role, of a digest, from within the network; no administrator and no root user gets it."""
    for wallet in names.WALLET_KEYS:
        alias = names.key_alias(PREFIX, wallet)
        everybody = [*map(role_arn, KINDS), ADMINISTRATOR, ROOT, CUSTODIAN, APPROVER]
        signers = {each for each in everybody if may(aws, each, "kms:Sign", alias, inside)}
        assert signers == {role_arn(name) for name, process in PROCESSES.items() if wallet in process.access.signs}
        for signer in signers:
            for changed in ({"aws:SourceVpc": "vpc-elsewhere"}, {"kms:MessageType": "RAW"}):
                assert not may(aws, signer, "kms:Sign", alias, {**inside, **changed})
            assert not may(aws, signer, "kms:CreateGrant", alias, inside)
        knowers = {each for each in map(role_arn, KINDS) if may(aws, each, "kms:GetPublicKey", alias, inside)}
        assert knowers == {role_arn(name) for name, process in PROCESSES.items() if wallet in process.access.knows}
    assert PROCESSES["payouts"].access.signs == (names.HOT,)


def test_the_seed_is_unwrapped_by_who_derives_addresses_and_nobody_else(aws: Applied, inside: Context) -> None:
    """kms:Decrypt with the seed's key is given to the processes that unwrap it, within the network; tools may only wrap."""
    alias = names.key_alias(PREFIX, names.SEED)
    everybody = [*map(role_arn, KINDS), ADMINISTRATOR, ROOT, CUSTODIAN, APPROVER]
    inside = {**inside, "kms:EncryptionContext:counterfoil": "deposit-seed"}
    unwrapping = {each for each in everybody if may(aws, each, "kms:Decrypt", alias, inside)}
    assert unwrapping == {role_arn(name) for name, process in PROCESSES.items() if names.SEED in process.access.unwraps}
    assert not any(may(aws, each, "kms:Decrypt", alias, {**inside, "aws:SourceVpc": "x"}) for each in unwrapping)
    wrapping = {each for each in everybody if may(aws, each, "kms:GenerateDataKey", alias, inside)}
    assert wrapping == {role_arn("tools")}


@pytest.mark.parametrize("name", [*names.WALLET_KEYS, names.SEED])
@pytest.mark.parametrize("action", ["kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:PutKeyPolicy"])
def test_a_key_is_ended_or_opened_by_two_parties_or_not_at_all(aws: Applied, name: str, action: str) -> None:
    """A custodian needs an approver's tag and MFA; without either, and for everybody else, it is refused."""
    alias = names.key_alias(PREFIX, name)
    approved = {
        "aws:ResourceTag/change-approved": "yes",
        "aws:MultiFactorAuthPresent": "true",
        "aws:MultiFactorAuthAge": "60",
    }
    assert may(aws, CUSTODIAN, action, alias, approved)
    for missing in approved:
        assert not may(aws, CUSTODIAN, action, alias, {key: it for key, it in approved.items() if key != missing}), (
            missing
        )
    for other in (ADMINISTRATOR, ROOT, APPROVER, role_arn("tools"), role_arn("payouts")):
        assert not may(aws, other, action, alias, approved), other


@pytest.mark.parametrize("name", [*names.WALLET_KEYS, names.SEED])
def test_only_an_approver_approves(aws: Applied, name: str) -> None:
    """The tag that approves is an approver's to set, however it is spelled; other tags are anybody's who may tag."""
    alias = names.key_alias(PREFIX, name)
    for spelled in ("change-approved", "Change-Approved"):
        context = {"aws:TagKeys": [spelled]}
        assert may(aws, APPROVER, "kms:TagResource", alias, context)
        for other in (CUSTODIAN, ADMINISTRATOR, ROOT):
            assert not may(aws, other, "kms:TagResource", alias, context), (other, spelled)
    assert may(aws, ADMINISTRATOR, "kms:TagResource", alias, {"aws:TagKeys": ["team"]})


def test_a_secret_is_read_by_the_processes_that_the_program_names(aws: Applied) -> None:
    """Each process reads its own secrets; an administrator reads none; tools and custodians write."""
    manager = aws.client("secretsmanager")
    for name in (*names.SECRETS, *names.LOGIN_SECRETS):
        secret = manager.describe_secret(SecretId=names.secret_name(PREFIX, name))["ARN"]
        policy = json.loads(manager.get_resource_policy(SecretId=secret)["ResourcePolicy"])
        everybody = [*map(role_arn, KINDS), ADMINISTRATOR, ROOT, APPROVER, CUSTODIAN]

        def who(
            action: str, policy: Policy = policy, secret: str = secret, everybody: list[str] = everybody
        ) -> set[str]:
            return {
                each
                for each in everybody
                if allowed(Request(each, action, secret), identity=identity_of(aws, each), resource=policy)
            }

        processes = document()["processes"].items()
        readers = {role_arn(process) for process, each in processes if names.secret_name("", name) in each["secrets"]}
        assert who("secretsmanager:GetSecretValue") == readers | {role_arn("tools"), CUSTODIAN}, name
        assert who("secretsmanager:PutSecretValue") == {role_arn("tools"), CUSTODIAN}, name
        for opening in ("PutResourcePolicy", "DeleteResourcePolicy", "DeleteSecret"):
            assert who(f"secretsmanager:{opening}") == {CUSTODIAN}, (name, opening)


def test_a_process_uses_the_queues_and_tables_that_the_program_names(aws: Applied) -> None:
    """Whoever is taken over may send, receive and write what was its own, and nothing else (I14)."""
    queue_arn = f"arn:aws:sqs:eu-central-1:{ACCOUNT}:{{}}".format
    table_arn = f"arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/{PREFIX}{{}}".format
    for process, access in ((name, each.access) for name, each in PROCESSES.items()):
        policies = aws.role_policies(process)

        def may_do(action: str, resource: str, process: str = process, policies: list[Policy] = policies) -> bool:
            return allowed(Request(role_arn(process), action, resource), identity=policies)

        for queue in queues.QUEUES:
            its, dead = queue_arn(names.queue_name(PREFIX, queue)), queue_arn(names.dead_queue_name(PREFIX, queue))
            assert may_do("sqs:SendMessage", its) == (queue in access.sends), (process, queue)
            assert may_do("sqs:ReceiveMessage", its) == (queue in access.receives), (process, queue)
            assert may_do("sqs:DeleteMessage", its) == (queue in access.receives), (process, queue)
            assert may_do("sqs:SendMessage", dead) == (queue in access.receives), (process, queue)
            assert not may_do("sqs:ReceiveMessage", dead)
            assert not any(
                may_do(f"sqs:{action}", its) for action in ("PurgeQueue", "DeleteQueue", "SetQueueAttributes")
            )
        for queue in queues.FORMER_QUEUES:  # of the version before, which runs beside this one in a roll-out
            its, dead = queue_arn(names.queue_name(PREFIX, queue)), queue_arn(names.dead_queue_name(PREFIX, queue))
            assert may_do("sqs:SendMessage", its) == (queue in access.sends_formerly), (process, queue)
            assert may_do("sqs:ReceiveMessage", its) == (queue in access.receives_formerly), (process, queue)
            assert may_do("sqs:SendMessage", dead) == (queue in access.receives_formerly), (process, queue)
        for table in names.TABLES:
            audits = table is names.AUDIT_LOGS and access.audits
            wanted = {*access.tables.get(table, ()), *(("BatchWriteItem",) if audits else ())}
            given = {each for each in OF_TABLES if may_do(f"dynamodb:{each}", table_arn(table.name))}
            assert given == wanted, (process, table.name)


def test_the_archive_is_written_by_one_process_and_read_by_signers(aws: Applied) -> None:
    """Who signs holds the database against it, and could not change it (I16)."""
    [bucket] = [it["Name"] for it in aws.client("s3").list_buckets()["Buckets"] if "-checkpoints-" in it["Name"]]
    for process, access in ((name, each.access) for name, each in PROCESSES.items()):
        policies = aws.role_policies(process)

        def may_do(action: str, process: str = process, policies: list[Policy] = policies) -> bool:
            request = Request(role_arn(process), action, f"arn:aws:s3:::{bucket}/checkpoints/000000000001.json")
            return allowed(request, identity=policies)

        assert may_do("s3:PutObject") == access.archives, process
        assert may_do("s3:GetObject") == (access.archives or access.reads_archive), process


@pytest.mark.parametrize(
    "action", ["iam:PassRole", "sts:AssumeRole", "kms:CreateKey", "ec2:RunInstances", "s3:PutObject"]
)
def test_no_process_climbs(aws: Applied, action: str) -> None:
    """No role of ours can become another, make machines or keys, or write to a bucket."""
    for name in KINDS:
        request = Request(role_arn(name), action, "arn:aws:any:::thing", {"kms:KeySpec": "ECC_SECG_P256K1"})
        assert not allowed(request, identity=aws.role_policies(name)), name


def test_nothing_comes_near_a_limit_of_aws(aws: Applied) -> None:
    """What grows with the program's lists, policies, rules, alarms, fits with a tenth to spare."""
    found = list(limits(aws, KINDS))
    assert len({each.most for each in found}) == 8, "every kind was looked at"
    assert _near(found) == []


@pytest.mark.fast
def test_an_eleventh_metric_of_an_alarm_is_found() -> None:
    """As is the tenth, since a list that grew once grows again."""
    assert [len(_near([Limit("metrics", count, ALARM_METRICS)])) for count in (0, 9, 10, 11)] == [0, 0, 1, 1]


def _near(found: list[Limit]) -> list[Limit]:
    return [each for each in found if each.found > each.most * 9 // 10]
