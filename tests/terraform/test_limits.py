"""AWS' own limits that a plan can reach: what stands in the state stays within them, with room for one thing more."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest

from tests.terraform.applied import Applied

SIZES: Final = {
    ("aws_kms_key", "policy"): 32_768,
    ("aws_s3_bucket_policy", "policy"): 20_480,
    ("aws_secretsmanager_secret_policy", "policy"): 20_480,
    ("aws_sns_topic_policy", "policy"): 30_720,
    ("aws_vpc_endpoint", "policy"): 20_480,
    ("aws_cloudwatch_event_rule", "event_pattern"): 2_048,
    ("aws_ecr_lifecycle_policy", "policy"): 30_720,
    ("aws_lb", "name"): 32,
    ("aws_lb_target_group", "name_prefix"): 6,
    ("aws_iam_role", "name"): 64,
    ("aws_sqs_queue", "name"): 80,
    ("aws_s3_bucket", "bucket"): 63,
    ("aws_wafv2_ip_set", "name"): 128,
    ("aws_cloudwatch_metric_alarm", "alarm_name"): 255,
}
"""Characters of an attribute; policies without their whitespace."""
ROLE_POLICIES_MAX: Final = 10_240
"""Characters of all inline policies of one role."""
USER_DATA_MAX: Final = 16_384
METRICS_OF_AN_ALARM_MAX: Final = 10
RULES_OF_A_GROUP_MAX: Final = 60
RULES_OF_AN_ACL_MAX: Final = 20
FIREWALL_UNITS_MAX: Final = 1_500
"""Of one web ACL at its plain price."""
FIREWALL_UNITS: Final = {
    "AWSManagedRulesCommonRuleSet": 700,
    "AWSManagedRulesKnownBadInputsRuleSet": 200,
    "AWSManagedRulesAmazonIpReputationList": 25,
    "rate": 2,
    "countries": 1,
    "operators": 12,
}


class Resource(NamedTuple):
    kind: str
    address: str
    values: dict[str, Any]


@pytest.fixture(scope="module")
def state(aws: Applied) -> list[Resource]:
    """Every resource that Terraform has made."""
    return list(_resources(json.loads(aws.terraform.run("show", "-json").stdout)["values"]["root_module"]))


def _resources(module: dict[str, Any]) -> Iterator[Resource]:
    for each in module.get("resources", ()):
        if each["mode"] == "managed":
            yield Resource(each["type"], each["address"], each["values"])
    for each in module.get("child_modules", ()):
        yield from _resources(each)


def of(state: list[Resource], kind: str) -> list[Resource]:
    found = [each for each in state if each.kind == kind]
    assert found, kind
    return found


@pytest.mark.parametrize(("kind", "attribute"), SIZES, ids=lambda each: str(each))
def test_names_and_policies_fit(state: list[Resource], kind: str, attribute: str) -> None:
    """No name and no policy is longer than its service takes."""
    sizes = {each.address: len(_plain(each.values[attribute] or "")) for each in of(state, kind)}
    assert {address: size for address, size in sizes.items() if size > SIZES[kind, attribute]} == {}


def _plain(text: str) -> str:
    try:
        return json.dumps(json.loads(text), separators=(",", ":"))
    except ValueError:
        return text


def test_a_role_s_policies_fit(state: list[Resource]) -> None:
    """All that a role may do is said within what IAM takes, with one more queue to come."""
    sizes: Counter[str] = Counter()
    for each in of(state, "aws_iam_role_policy"):
        sizes[each.values["role"]] += len(_plain(each.values["policy"]))
    assert max(sizes.values()) < ROLE_POLICIES_MAX - 200, sizes


def test_user_data_fits(state: list[Resource]) -> None:
    """What a machine is told at its start."""
    data = [each.values["user_data"] for each in of(state, "aws_launch_template")]
    assert max(len(base64.b64decode(each)) for each in data) < USER_DATA_MAX


def test_an_alarm_looks_at_no_more_metrics_than_cloudwatch_adds_up(state: list[Resource]) -> None:
    """An expression over an eleventh metric fails at the apply, and nothing says so before."""
    for each in of(state, "aws_cloudwatch_metric_alarm"):
        metrics = [query for query in each.values["metric_query"] or () if query["metric"]]
        assert len(metrics) <= METRICS_OF_AN_ALARM_MAX, each.address


def test_rules_of_the_network_fit(state: list[Resource]) -> None:
    """A security group and an ACL have no more rules than AWS takes without being asked."""
    for kind in ("aws_vpc_security_group_egress_rule", "aws_vpc_security_group_ingress_rule"):
        rules = Counter(each.values["security_group_id"] for each in of(state, kind))
        assert max(rules.values()) <= RULES_OF_A_GROUP_MAX
    acls = Counter((it.values["network_acl_id"], it.values["egress"]) for it in of(state, "aws_network_acl_rule"))
    assert max(acls.values()) <= RULES_OF_AN_ACL_MAX


def test_the_firewall_fits(state: list[Resource]) -> None:
    """Its rules together stay below what one web ACL may weigh."""
    [acl] = of(state, "aws_wafv2_web_acl")
    assert sum(FIREWALL_UNITS[rule["name"]] for rule in acl.values["rule"]) <= FIREWALL_UNITS_MAX
