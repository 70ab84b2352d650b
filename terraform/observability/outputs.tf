output "log_group_names" {
  description = "The log group of each process, and of `tools`."
  value       = { for name, group in aws_cloudwatch_log_group.process : name => group.name }
}

output "log_group_arns" {
  description = "Their ARNs."
  value       = { for name, group in aws_cloudwatch_log_group.process : name => group.arn }
}

output "alarms_topic_arn" {
  description = "Where alarms go."
  value       = aws_sns_topic.alarms.arn
}

output "prometheus_arn" {
  description = "The Prometheus workspace."
  value       = aws_prometheus_workspace.this.arn
}

output "remote_write_url" {
  description = "Where collectors write metrics."
  value       = "${aws_prometheus_workspace.this.prometheus_endpoint}api/v1/remote_write"
}

output "grafana_url" {
  description = "Where people look, when there is a workspace."
  value       = var.grafana ? "https://${aws_grafana_workspace.this[0].endpoint}" : ""
}
