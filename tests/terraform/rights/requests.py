"""What IAM would be asked for a call: one request for each action and resource, with what policies have conditions on.

Names in calls become the ARNs of what Terraform has made; one call may need several rights, as a transaction does.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.terraform.applied import ACCOUNT, PREFIX, WHOEVER_IAM_LETS, Applied
from tests.terraform.iam import Request
from tests.terraform.rights.recorded import Call

REGION: Final = "eu-central-1"
SQS: Final = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}
"""A batch needs the right to what it is a batch of."""
S3: Final = {
    "GET object": "GetObject",
    "HEAD object": "GetObject",
    "PUT object": "PutObject",
    "GET bucket": "ListBucket",
}
PARTS: Final = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
"""A transaction needs the rights of its actions, and none of its own."""


class Requests:
    """Translates; `vpc` is where our machines stand."""

    def __init__(self, aws: Applied, vpc: str) -> None:
        self._aws = aws
        self._vpc = vpc
        names = aws.client("secretsmanager").list_secrets(MaxResults=100)["SecretList"]
        self._secrets = {each["Name"]: each["ARN"] for each in names}
        self._bucket = aws.outputs["checkpoints_bucket"]

    def of(self, call: Call, principal: str) -> Iterator[Request]:
        """Raises KeyError for what this does not know."""
        for action, resource, more in self._asked(call):
            context = {"aws:SourceVpc": self._vpc, "aws:SecureTransport": "true", **more}
            yield Request(principal, f"{call.service}:{action}", resource, context)

    def policy(self, request: Request) -> Mapping[str, Any] | None:
        """The resource's own policy, where keys, secrets and buckets have one."""
        return WHOEVER_IAM_LETS if request.resource == "*" else self._aws.resource_policy(request.resource)

    def _asked(self, call: Call) -> Iterator[tuple[str, str, dict[str, Any]]]:
        subject = call.subject
        match call.service:
            case "sqs":
                name = subject.get("QueueName") or subject["QueueUrl"].rpartition("/")[2]
                yield SQS.get(call.operation, call.operation), f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}", {}
            case "dynamodb":
                yield from self._of_tables(call.operation, subject)
            case "secretsmanager":
                yield call.operation, self._secret(subject["SecretId"]), {}
            case "s3":
                _, _, path = subject["path"].strip("/").partition("/")
                arn = f"arn:aws:s3:::{self._bucket}"
                yield S3[call.operation], f"{arn}/{path}" if path else arn, {}
            case "kms":
                yield from self._of_keys(call.operation, subject)
            case _:
                raise KeyError(call)

    def _of_tables(self, operation: str, subject: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
        arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{}}".format
        keys = {"dynamodb:LeadingKeys": subject["keys"]} if "keys" in subject else {}
        if "parts" in subject:
            yield from ((PARTS[kind], arn(table), keys) for kind, table in subject["parts"])
        elif "tables" in subject:
            yield from ((operation, arn(table), keys) for table in subject["tables"])
        else:
            index = f"/index/{subject['IndexName']}" if "IndexName" in subject else ""
            yield operation, arn(subject["TableName"]) + index, keys

    def _of_keys(self, operation: str, subject: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
        said = ("MessageType", "SigningAlgorithm", "KeySpec", "KeyUsage")
        context = {f"kms:{name}": subject[name] for name in said if name in subject}
        given = subject.get("EncryptionContext", {})
        context |= {f"kms:EncryptionContext:{name}": value for name, value in given.items()}
        account = f"arn:aws:kms:{REGION}:{ACCOUNT}"
        tags = {each["TagKey"]: each["TagValue"] for each in subject.get("Tags", ())}
        if tags:
            tagged = {f"aws:RequestTag/{name}": value for name, value in tags.items()}
            yield "TagResource", f"{account}:key/new", {**context, **tagged, "aws:TagKeys": list(tags)}
        if operation in ("CreateKey", "ListAliases", "ListKeys"):
            yield operation, "*", context
        elif operation == "CreateAlias":
            yield operation, f"{account}:{subject['AliasName']}", context
            yield operation, f"{account}:key/new", context
        elif subject["KeyId"].startswith("alias/"):
            alias = subject["KeyId"]
            own = f"alias/{PREFIX}counterfoil-payin-"
            resource = f"{account}:key/of-an-address" if alias.startswith(own) else self._aws.key(alias)[0]
            yield operation, resource, {**context, "kms:ResourceAliases": [alias]}
        else:
            yield operation, f"{account}:key/new", context

    def _secret(self, name: str) -> str:
        """The owner's login is a secret of RDS' own, whose ARN machines are told."""
        if name.endswith("/database/owner"):
            return str(self._aws.outputs["owner_secret_arn"])
        return self._secrets[name]
