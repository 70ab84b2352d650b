# cpu: kept at a share of what the machines have. queue_age and lag: a step up while work waits, a step down after a quarter of
# an hour without any. fixed: nothing, since more would not be faster.

locals {
  by = { for kind in ["cpu", "queue_age", "lag"] : kind => { for name, process in var.processes : name => process if process.scale.by == kind } }

  stepped = merge(local.by["queue_age"], local.by["lag"])
  waits   = { for name in keys(local.stepped) : name => contains(keys(local.by["queue_age"]), name) ? var.queue_age_s : var.lag_s }

  # What an alarm looks at: the age of the one queue, or the one metric that the process tells of itself.
  watched = {
    for name, process in local.stepped : name => process.scale.by == "queue_age" ? {
      namespace  = "AWS/SQS"
      metric     = "ApproximateAgeOfOldestMessage"
      dimensions = { QueueName = var.queue_names[process.scale.queue] }
      } : {
      namespace  = "Counterfoil"
      metric     = "counterfoil_${process.scale.metric}"
      dimensions = { process = name }
    }
  }
}

resource "aws_autoscaling_policy" "cpu" {
  for_each = local.by["cpu"]

  name                   = "${each.key}-cpu"
  autoscaling_group_name = aws_autoscaling_group.this[each.key].name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = 50

    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}

resource "aws_autoscaling_policy" "up" {
  for_each = local.stepped

  name                      = "${each.key}-work-waits"
  autoscaling_group_name    = aws_autoscaling_group.this[each.key].name
  policy_type               = "StepScaling"
  adjustment_type           = "ChangeInCapacity"
  metric_aggregation_type   = "Maximum"
  estimated_instance_warmup = 60

  step_adjustment {
    metric_interval_lower_bound = 0
    metric_interval_upper_bound = local.waits[each.key] * 4
    scaling_adjustment          = 1
  }

  step_adjustment {
    metric_interval_lower_bound = local.waits[each.key] * 4
    scaling_adjustment          = 2
  }
}

resource "aws_autoscaling_policy" "down" {
  for_each = local.stepped

  name                    = "${each.key}-nothing-waits"
  autoscaling_group_name  = aws_autoscaling_group.this[each.key].name
  policy_type             = "StepScaling"
  adjustment_type         = "ChangeInCapacity"
  metric_aggregation_type = "Maximum"

  step_adjustment {
    metric_interval_upper_bound = 0
    scaling_adjustment          = -1
  }
}

resource "aws_cloudwatch_metric_alarm" "up" {
  for_each = local.stepped

  alarm_name          = "${var.name}-${each.key}-work-waits"
  alarm_description   = "Adds a machine: the oldest work of ${each.key} has waited for more than ${local.waits[each.key]} s"
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.waits[each.key]
  evaluation_periods  = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_autoscaling_policy.up[each.key].arn]

  namespace   = local.watched[each.key].namespace
  metric_name = local.watched[each.key].metric
  dimensions  = local.watched[each.key].dimensions
  statistic   = "Maximum"
  period      = 60
}

resource "aws_cloudwatch_metric_alarm" "down" {
  for_each = local.stepped

  alarm_name          = "${var.name}-${each.key}-nothing-waits"
  alarm_description   = "Takes a machine away: nothing of ${each.key} has waited for long"
  comparison_operator = "LessThanThreshold"
  threshold           = max(1, floor(local.waits[each.key] / 4))
  evaluation_periods  = 15
  # A queue that nobody uses says nothing: that is no work.
  treat_missing_data = "breaching"
  alarm_actions      = [aws_autoscaling_policy.down[each.key].arn]

  namespace   = local.watched[each.key].namespace
  metric_name = local.watched[each.key].metric
  dimensions  = local.watched[each.key].dimensions
  statistic   = "Maximum"
  period      = 60
}
