# What wakes somebody. What a process knows best it raises itself; here is what AWS alone can see, and the alarms of processes.

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.log_key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms.arn
        Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
      },
      {
        Sid       = "Rules"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms.arn
        Condition = { ArnEquals = { "aws:SourceArn" = local.rule_arns } }
      },
      {
        # Prometheus' alert manager asks what the topic is before it sends, and does nothing where that is refused.
        Sid       = "Prometheus"
        Effect    = "Allow"
        Principal = { Service = "aps.amazonaws.com" }
        Action    = ["sns:Publish", "sns:GetTopicAttributes"]
        Resource  = aws_sns_topic.alarms.arn
        Condition = {
          ArnEquals    = { "aws:SourceArn" = aws_prometheus_workspace.this.arn }
          StringEquals = { "aws:SourceAccount" = var.account_id }
        }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.alarm_emails)

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

locals {
  rule_arns = [for name in ["keys-touched", "signature-refused", "signer-by-hand"] : "arn:${var.partition}:events:${var.region}:${var.account_id}:rule/${var.name}-${name}"]

  # threshold, periods of a minute (or of `seconds`), and what is looked at. `missing` says what silence means.
  database = { DBInstanceIdentifier = var.database_identifier }
  balancer = { LoadBalancer = var.balancer_arn_suffix }
  targets  = { LoadBalancer = var.balancer_arn_suffix, TargetGroup = var.target_group_arn_suffix }
  alarms = merge(
    {
      "alarm-raised" = {
        why  = "A process raised an alarm: counterfoil alarms list", namespace = "Counterfoil", metric = "alarms_raised"
        stat = "Sum", above = 0, below = null, periods = 1, dimensions = {}, missing = "notBreaching"
      }
      "database-cpu" = {
        why  = "The database's processors are busy", namespace = "AWS/RDS", metric = "CPUUtilization"
        stat = "Average", above = 85, below = null, periods = 10, dimensions = local.database, missing = "breaching"
      }
      "database-storage" = {
        why  = "The database's storage grows short and does not grow by itself", namespace = "AWS/RDS", metric = "FreeStorageSpace"
        stat = "Minimum", above = null, below = var.database_storage_gib * 107374182, periods = 5, dimensions = local.database, missing = "breaching"
      }
      "database-memory" = {
        why  = "The database has little memory left", namespace = "AWS/RDS", metric = "FreeableMemory"
        stat = "Minimum", above = null, below = 268435456, periods = 10, dimensions = local.database, missing = "notBreaching"
      }
      "database-connections" = {
        why  = "Connections come near their limit", namespace = "AWS/RDS", metric = "DatabaseConnections"
        stat = "Maximum", above = 400, below = null, periods = 5, dimensions = local.database, missing = "notBreaching"
      }
      "database-commits" = {
        why  = "Commits wait long for the disk", namespace = "AWS/RDS", metric = "WriteLatency"
        stat = "Average", above = 0.05, below = null, periods = 5, dimensions = local.database, missing = "notBreaching"
      }
      "api-errors" = {
        why  = "The API answers with errors of its own", namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count"
        stat = "Sum", above = 10, below = null, periods = 3, dimensions = local.balancer, missing = "notBreaching"
      }
      "balancer-errors" = {
        why  = "The balancer finds nobody who answers", namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count"
        stat = "Sum", above = 10, below = null, periods = 3, dimensions = local.balancer, missing = "notBreaching"
      }
      "api-slow" = {
        why  = "Answers take long", namespace = "AWS/ApplicationELB", metric = "TargetResponseTime"
        stat = "p99", above = 2, below = null, periods = 5, dimensions = local.balancer, missing = "notBreaching"
      }
    },
    contains(var.running, "api") ? {
      "api-not-answering" = {
        why  = "No API process answers GET /livez", namespace = "AWS/ApplicationELB", metric = "HealthyHostCount"
        stat = "Minimum", above = null, below = 1, periods = 3, dimensions = local.targets, missing = "breaching"
      }
    } : {},
    {
      for name, queue in var.dead_letter_names : "dead-letters-${name}" => {
        why  = "A message could not be understood: counterfoil queue dead", namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible"
        stat = "Maximum", above = 0, below = null, periods = 1, dimensions = { QueueName = queue }, missing = "notBreaching"
      }
    },
    {
      for name, queue in var.queue_names : "waits-${name}" => {
        why  = "The oldest message has waited for ten minutes", namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage"
        stat = "Maximum", above = 600, below = null, periods = 3, dimensions = { QueueName = queue }, missing = "notBreaching"
      }
    },
    {
      for name, table in var.table_names : "throttled-${name}" => {
        why  = "DynamoDB refuses requests to this table", namespace = "AWS/DynamoDB", metric = "ThrottledRequests"
        stat = "Sum", above = 0, below = null, periods = 3, dimensions = { TableName = table }, missing = "notBreaching"
      }
    },
    {
      for name, process in var.processes : "machines-${name}" => {
        why  = "Fewer machines run than should", namespace = "AWS/AutoScaling", metric = "GroupInServiceInstances"
        stat = "Minimum", above = null, below = process.machines_min, periods = 10, dimensions = { AutoScalingGroupName = var.group_names[name] }, missing = "breaching"
      } if contains(var.running, name)
    },
    # A process that ends by a defect is started again; one that does so three times within a quarter of an hour goes round in a circle.
    {
      for name in keys(var.processes) : "restarts-${name}" => {
        why  = "The process ${name} ends again and again: its log says why", namespace = "Counterfoil", metric = "ends_of_${name}"
        stat = "Sum", above = 2, below = null, periods = 1, dimensions = {}, missing = "notBreaching", seconds = 900
      }
    },
    contains(var.running, "reconcile") ? {
      "reconcile-missing" = {
        why  = "Nothing has held the books against the chain for three hours: the log of reconcile", namespace = "Counterfoil", metric = "reconciled"
        stat = "Sum", above = null, below = 1, periods = 3, dimensions = {}, missing = "breaching", seconds = 3600
      }
    } : {},
    # What an instance refresh of the group looks at: a new version whose process rings is taken back.
    {
      for name in keys(var.processes) : "process-${name}" => {
        why  = "The process ${name} raised an alarm: counterfoil alarms list", namespace = "Counterfoil", metric = "alarms_raised_by_${name}"
        stat = "Sum", above = 0, below = null, periods = 1, dimensions = {}, missing = "notBreaching"
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.why
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.stat, "p") ? null : each.value.stat
  extended_statistic  = startswith(each.value.stat, "p") ? each.value.stat : null
  period              = try(each.value.seconds, 60)
  evaluation_periods  = each.value.periods
  comparison_operator = each.value.above == null ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = each.value.above == null ? each.value.below : each.value.above
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# Somebody touches a key. CloudTrail tells EventBridge within minutes, whether it was allowed or refused.
resource "aws_cloudwatch_event_rule" "keys" {
  name        = "${var.name}-keys-touched"
  description = "Deletion, disabling, another policy, a grant or an approval of one of our keys"
  event_pattern = jsonencode({
    source      = ["aws.kms"]
    detail-type = ["AWS API Call via CloudTrail"]
    detail = {
      eventSource = ["kms.amazonaws.com"]
      eventName = [
        "ScheduleKeyDeletion", "CancelKeyDeletion", "DisableKey", "EnableKey", "PutKeyPolicy", "DisableKeyRotation", "CreateGrant",
        "RetireGrant", "RevokeGrant", "ReplicateKey", "UpdatePrimaryRegion", "ImportKeyMaterial", "DeleteImportedKeyMaterial",
        "TagResource", "UntagResource", "CreateAlias", "UpdateAlias", "DeleteAlias",
      ]
      resources = { ARN = var.key_arns }
    }
  })
}

resource "aws_cloudwatch_event_target" "keys" {
  rule = aws_cloudwatch_event_rule.keys.name
  arn  = aws_sns_topic.alarms.arn
}

# A signature that was refused is somebody who tried.
# To CloudTrail a signature is an event that only reads: EventBridge passes those on in this state alone.
resource "aws_cloudwatch_event_rule" "refused" {
  name        = "${var.name}-signature-refused"
  description = "Somebody was refused a signature or the seed"
  state       = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
  event_pattern = jsonencode({
    source      = ["aws.kms"]
    detail-type = ["AWS API Call via CloudTrail"]
    detail = {
      eventSource = ["kms.amazonaws.com"]
      eventName   = ["Sign", "Decrypt"]
      errorCode   = ["AccessDenied", "AccessDeniedException"]
      resources   = { ARN = var.key_arns }
    }
  })
}

resource "aws_cloudwatch_event_target" "refused" {
  rule = aws_cloudwatch_event_rule.refused.name
  arn  = aws_sns_topic.alarms.arn
}

# A machine with a signer's rights that no auto scaling group has started was started by a person.
resource "aws_cloudwatch_event_rule" "by_hand" {
  name        = "${var.name}-signer-by-hand"
  description = "Somebody gives a machine the rights of a signer"
  event_pattern = jsonencode({
    source      = ["aws.ec2"]
    detail-type = ["AWS API Call via CloudTrail"]
    detail = {
      eventSource  = ["ec2.amazonaws.com"]
      eventName    = ["RunInstances", "AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation", "ModifyInstanceAttribute"]
      userIdentity = { invokedBy = [{ exists = false }] }
      "$or" = [
        { requestParameters = { iamInstanceProfile = { arn = var.signer_profiles } } },
        { requestParameters = { iamInstanceProfile = { name = [for arn in var.signer_profiles : element(split("/", arn), 1)] } } },
        { requestParameters = { AssociateIamInstanceProfileRequest = { IamInstanceProfile = { Name = [for arn in var.signer_profiles : element(split("/", arn), 1)] } } } },
      ]
    }
  })
}

resource "aws_cloudwatch_event_target" "by_hand" {
  rule = aws_cloudwatch_event_rule.by_hand.name
  arn  = aws_sns_topic.alarms.arn
}
