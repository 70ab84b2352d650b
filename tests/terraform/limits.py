"""What AWS refuses at apply and no plan foresees: its limits on what a list in the program makes longer."""

import base64
import json
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.terraform.applied import Applied


class Limit(NamedTuple):
    """How much of something there is, and the most that AWS takes."""

    of: str
    found: int
    most: int


ALARM_METRICS: Final = 10
"""Metrics in one alarm's expression."""
ROLE_POLICIES: Final = 10_240
"""Characters of a role's own policies together, without white space."""
KEY_POLICY: Final = 32_768
SECRET_POLICY: Final = 20_480
USER_DATA: Final = 16_384
"""Bytes before they are encoded."""
RULES: Final = 60
"""Of a security group, in one direction."""
METRIC_FILTERS: Final = 100
"""Of a log group."""
ROLE_NAME: Final = 64


def limits(aws: Applied, kinds: tuple[str, ...]) -> Iterator[Limit]:
    """All that stands there and has one."""
    for page in aws.client("cloudwatch").get_paginator("describe_alarms").paginate():
        for alarm in page["MetricAlarms"]:
            yield Limit(f"metrics of the alarm {alarm['AlarmName']}", len(alarm.get("Metrics", [])), ALARM_METRICS)
    for kind in kinds:
        size = sum(len(json.dumps(each, separators=(",", ":"))) for each in aws.role_policies(kind))
        yield Limit(f"policies of the role {kind}", size, ROLE_POLICIES)
    for role in aws.client("iam").list_roles()["Roles"]:
        yield Limit(f"the name of the role {role['RoleName']}", len(role["RoleName"]), ROLE_NAME)
    kms, secrets, ec2, logs = (aws.client(each) for each in ("kms", "secretsmanager", "ec2", "logs"))
    for key in kms.list_keys()["Keys"]:
        policy = kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]
        yield Limit(f"the policy of the key {key['KeyId']}", len(policy), KEY_POLICY)
    for page in secrets.get_paginator("list_secrets").paginate():
        for secret in page["SecretList"]:
            policy = secrets.get_resource_policy(SecretId=secret["ARN"]).get("ResourcePolicy", "")
            yield Limit(f"the policy of the secret {secret['Name']}", len(policy), SECRET_POLICY)
    for template in ec2.describe_launch_template_versions(Versions=["$Latest"])["LaunchTemplateVersions"]:
        given = base64.b64decode(template["LaunchTemplateData"]["UserData"])
        yield Limit(f"user data of {template['LaunchTemplateName']}", len(given), USER_DATA)
    for group in ec2.describe_security_groups()["SecurityGroups"]:
        for way in ("IpPermissions", "IpPermissionsEgress"):
            yield Limit(f"rules of {group['GroupName']}", sum(map(_rules, group[way])), RULES)
    for log_group in logs.describe_log_groups()["logGroups"]:
        name = log_group["logGroupName"]
        filters = logs.describe_metric_filters(logGroupName=name)["metricFilters"]
        yield Limit(f"metric filters of {name}", len(filters), METRIC_FILTERS)


def _rules(permission: dict[str, list[object]]) -> int:
    return sum(
        len(permission.get(each, [])) for each in ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")
    )
