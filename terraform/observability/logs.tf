# A log group per process, kept for a while, and one number drawn from all of them: an alarm that a process raised.

resource "aws_cloudwatch_log_group" "process" {
  # checkov:skip=CKV_AWS_338:What must be kept for years is the history and the archive; log lines are kept for log_days, which the operator sets.
  for_each = toset(concat(keys(var.processes), ["tools"]))

  name              = "/${var.name}/${each.value}"
  retention_in_days = var.log_days
  kms_key_id        = var.log_key_arn
}

# gateways/postgres/alarms.py writes one line with this word for each alarm, whatever form the log has.
resource "aws_cloudwatch_log_metric_filter" "alarm" {
  for_each = aws_cloudwatch_log_group.process

  name           = "alarm"
  log_group_name = each.value.name
  pattern        = "ALARM"

  metric_transformation {
    namespace     = "Counterfoil"
    name          = "alarms_raised"
    value         = "1"
    default_value = "0"
  }
}

resource "aws_cloudwatch_log_metric_filter" "alarm_of_process" {
  for_each = { for name, group in aws_cloudwatch_log_group.process : name => group if name != "tools" }

  name           = "alarm-of-${each.key}"
  log_group_name = each.value.name
  pattern        = "ALARM"

  metric_transformation {
    namespace     = "Counterfoil"
    name          = "alarms_raised_by_${each.key}"
    value         = "1"
    default_value = "0"
  }
}

# gateways/processes/run.py says so of each end by a defect.
resource "aws_cloudwatch_log_metric_filter" "end_of_process" {
  for_each = { for name, group in aws_cloudwatch_log_group.process : name => group if name != "tools" }

  name           = "end-of-${each.key}"
  log_group_name = each.value.name
  pattern        = "\"has stopped:\""

  metric_transformation {
    namespace     = "Counterfoil"
    name          = "ends_of_${each.key}"
    value         = "1"
    default_value = "0"
  }
}

# gateways/processes/reconcile.py writes this line when a look has ended, whatever it found.
resource "aws_cloudwatch_log_metric_filter" "reconciled" {
  for_each = { for name, group in aws_cloudwatch_log_group.process : name => group if name == "reconcile" }

  name           = "reconciled"
  log_group_name = each.value.name
  pattern        = "\"reconcile at position\""

  metric_transformation {
    namespace     = "Counterfoil"
    name          = "reconciled"
    value         = "1"
    default_value = "0"
  }
}
