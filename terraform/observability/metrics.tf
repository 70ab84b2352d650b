# Prometheus and Grafana, both managed, and X-Ray. Rules and the dashboard are files beside this one: alerts.yaml is loaded when it is
# there, dashboard.json is imported by hand or by whatever keeps Grafana.

locals {
  alerts = "${path.module}/alerts.yaml"
}

resource "aws_prometheus_workspace" "this" {
  alias       = var.name
  kms_key_arn = var.data_key_arn

  logging_configuration {
    log_group_arn = "${aws_cloudwatch_log_group.prometheus.arn}:*"
  }
}

resource "aws_cloudwatch_log_group" "prometheus" {
  # checkov:skip=CKV_AWS_338:These lines say which rules could not be evaluated; nobody asks for them a year later.
  name              = "/aws/vendedlogs/${var.name}/prometheus"
  retention_in_days = var.log_days
  kms_key_id        = var.log_key_arn
}

resource "aws_prometheus_rule_group_namespace" "alerts" {
  count = fileexists(local.alerts) ? 1 : 0

  name         = "counterfoil"
  workspace_id = aws_prometheus_workspace.this.id
  data         = fileexists(local.alerts) ? file(local.alerts) : ""
}

resource "aws_prometheus_alert_manager_definition" "this" {
  workspace_id = aws_prometheus_workspace.this.id
  definition = yamlencode({
    alertmanager_config = yamlencode({
      route = { receiver = "operators", group_by = ["alertname"], group_wait = "30s", repeat_interval = "4h" }
      receivers = [{
        name        = "operators"
        sns_configs = [{ topic_arn = aws_sns_topic.alarms.arn, sigv4 = { region = var.region }, send_resolved = true }]
      }]
    })
  })
}

resource "aws_iam_role" "grafana" {
  count = var.grafana ? 1 : 0

  name = "${var.name}-grafana"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "grafana.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        StringLike   = { "aws:SourceArn" = "arn:${var.partition}:grafana:${var.region}:${var.account_id}:/workspaces/*" }
      }
    }]
  })
}

resource "aws_iam_role_policy" "grafana" {
  # checkov:skip=CKV_AWS_355:X-Ray and CloudWatch metrics have no resources that a policy could name; the actions only read.
  count = var.grafana ? 1 : 0

  name = "read"
  role = aws_iam_role.grafana[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Prometheus"
        Effect   = "Allow"
        Action   = ["aps:QueryMetrics", "aps:GetSeries", "aps:GetLabels", "aps:GetMetricMetadata", "aps:DescribeWorkspace"]
        Resource = [aws_prometheus_workspace.this.arn]
      },
      {
        Sid      = "CloudWatch"
        Effect   = "Allow"
        Action   = ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics", "cloudwatch:DescribeAlarms"]
        Resource = ["*"]
      },
      {
        Sid      = "Traces"
        Effect   = "Allow"
        Action   = ["xray:GetTraceSummaries", "xray:BatchGetTraces", "xray:GetServiceGraph", "xray:GetGroups"]
        Resource = ["*"]
      },
    ]
  })
}

resource "aws_grafana_workspace" "this" {
  count = var.grafana ? 1 : 0

  name                     = var.name
  account_access_type      = "CURRENT_ACCOUNT"
  authentication_providers = ["AWS_SSO"]
  permission_type          = "CUSTOMER_MANAGED"
  role_arn                 = aws_iam_role.grafana[0].arn
  data_sources             = ["PROMETHEUS", "CLOUDWATCH", "XRAY"]
}

resource "aws_xray_group" "failed" {
  group_name        = "${var.name}-failed"
  filter_expression = "service(begins_with(\"counterfoil\")) AND (fault = true OR error = true)"

  insights_configuration {
    insights_enabled      = true
    notifications_enabled = false
  }
}
