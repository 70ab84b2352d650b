"""Rights that no recorded call asks for, each with who does, or why it is there."""

from typing import Final

REASONS: Final = {
    # Of the machine, before and beside the program
    "ecr:GetAuthorizationToken": "Docker's credential helper logs in before it pulls the image",
    "ecr:BatchGetImage": "Docker pulls the image",
    "ecr:GetDownloadUrlForLayer": "Docker pulls the image",
    "ecr:BatchCheckLayerAvailability": "Docker pulls the image",
    "xray:PutTraceSegments": "the collector hands on the process' spans",
    "aps:RemoteWrite": "the collector writes the process' numbers",
    "logs:CreateLogStream": "Docker's log driver, and the collector for what scaling follows",
    "logs:PutLogEvents": "Docker's log driver, and the collector for what scaling follows",
    "autoscaling:CompleteLifecycleAction": "counterfoil-begun says that the process goes on",
    "ssm:UpdateInstanceInformation": "the agent of the tools machine, by which people enter it",
    "ssmmessages:CreateControlChannel": "the agent of the tools machine, by which people enter it",
    "ssmmessages:CreateDataChannel": "the agent of the tools machine, by which people enter it",
    "ssmmessages:OpenControlChannel": "the agent of the tools machine, by which people enter it",
    "ssmmessages:OpenDataChannel": "the agent of the tools machine, by which people enter it",
    # Asked by AWS' services with the caller's rights
    "TablesKey kms:Decrypt": "DynamoDB opens the table's key with the caller's rights",
    "TablesKey kms:DescribeKey": "DynamoDB looks at the table's key with the caller's rights",
    "SecretsKey kms:Decrypt": "Secrets Manager opens a secret with the caller's rights",
    "SecretsKey kms:GenerateDataKey": "Secrets Manager seals a secret with the caller's rights",
    "ArchiveKey kms:Decrypt": "S3 opens a checkpoint with the caller's rights",
    "ArchiveKey kms:GenerateDataKey": "S3 seals a checkpoint with the caller's rights",
    "ReadsArchiveKey kms:Decrypt": "S3 opens a checkpoint with the caller's rights",
    "DataKey kms:Decrypt": "DynamoDB and S3 open what they keep with the caller's rights",
    "DataKey kms:DescribeKey": "DynamoDB looks at the table's key with the caller's rights",
    # Asked where something is as it is not in the installation that is recorded
    "WidensQueues sqs:SetQueueAttributes": "`counterfoil migrate`, where the provider made a queue for smaller messages",
    "Archives s3:ListBucket": "without it a checkpoint that is not there yet looks like one that is forbidden",
    "ReadsArchive s3:ListBucket": "without it a checkpoint that is not there yet looks like one that is forbidden",
    "KnowsPayinKeysByTheirTag kms:DescribeKey": "where a death came between a key and its alias, it is found by its tag",
    "KnowsPayinKeysByTheirTag kms:ListResourceTags": "where a death came between a key and its alias, it is found by its tag",
    "tools: Webhooks dynamodb:UpdateItem": "`counterfoil webhooks redeliver` of an event that lies in the table",
    "webhooks: TableWebhookEvents dynamodb:ConditionCheckItem": "a failed attempt of an event that others stand behind",
    "record: Sends sqs:SendMessage": "parts of a bundle that is put back by halves are sent again alone",
}
"""`action`, `Sid action` or `role: Sid action`: the finer where another gives the same action for another reason."""
READ_LATER: Final = {
    ("reconcile", "counterfoil/database/reader"): "its first look is two minutes after its start: the round may be over"
}
"""(process, secret) that the recorded round need not see, and why."""
