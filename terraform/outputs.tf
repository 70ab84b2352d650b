output "api_host" {
  description = "Point the API's host name here (CNAME or alias)."
  value       = module.balancer.dns_name
}

output "api_zone_id" {
  description = "The balancer's hosted zone, for an alias record."
  value       = module.balancer.zone_id
}

output "repository_url" {
  description = "Where the image is pushed."
  value       = aws_ecr_repository.this.repository_url
}

output "collector_repository_url" {
  description = "Where the collector's image is copied to, once for each version (collector_version)."
  value       = aws_ecr_repository.collector.repository_url
}

output "newest_ami_id" {
  description = "The newest Amazon Linux 2023: what to write into ami_id, and again whenever its packages are to be newer."
  value       = nonsensitive(data.aws_ssm_parameter.ami.value)
}

output "settings" {
  description = "The environment of every process. No secret stands in it."
  value       = local.environment
}

output "wallet_key_arns" {
  description = "The keys of the hot and the gas wallet."
  value       = module.keys.wallet_arns
}

output "owner_secret_arn" {
  description = "RDS' secret with the database owner's login; only the tools role reads it."
  value       = module.database.owner_secret_arn
}

output "tools_group" {
  description = "Set this group to one machine to run commands, and back to none."
  value       = module.compute.group_names["tools"]
}

output "nat_addresses" {
  description = "Webhooks and questions to nodes come from these addresses."
  value       = module.network.nat_addresses
}

output "alarms_topic_arn" {
  description = "Where alarms go."
  value       = module.observability.alarms_topic_arn
}

output "checkpoints_bucket" {
  description = "Where signed checkpoints are written."
  value       = module.archive.checkpoints_bucket
}

output "prometheus_remote_write_url" {
  description = "Where collectors write metrics."
  value       = module.observability.remote_write_url
}

output "grafana_url" {
  description = "Where people look; empty without a workspace."
  value       = module.observability.grafana_url
}

output "github_role_arns" {
  description = "Roles of the workflows: image and plan."
  value       = module.iam.github_role_arns
}
