variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}

variable "partition" {
  description = "The AWS partition, for ARNs."
  type        = string
}

variable "account_id" {
  description = "The account."
  type        = string
}

variable "processes" {
  description = "Every process and its number of machines, from platform.json."
  type        = map(object({ machines_min = number }))
}

variable "log_days" {
  description = "Days for which logs are kept."
  type        = number
}

variable "log_key_arn" {
  description = "The KMS key of logs and alarms."
  type        = string
}

variable "alarm_emails" {
  description = "Who is written to when an alarm rings."
  type        = list(string)
}

variable "queue_names" {
  description = "Each queue's name in SQS."
  type        = map(string)
}

variable "dead_letter_names" {
  description = "Each dead-letter queue's name in SQS."
  type        = map(string)
}

variable "table_names" {
  description = "Each table's name in DynamoDB."
  type        = map(string)
}

variable "database_identifier" {
  description = "The database instance."
  type        = string
}

variable "database_storage_gib" {
  description = "Its storage at the start; a tenth left of it rings."
  type        = number
}

variable "balancer_arn_suffix" {
  description = "The balancer in CloudWatch's dimensions."
  type        = string
}

variable "target_group_arn_suffix" {
  description = "The target group in CloudWatch's dimensions."
  type        = string
}

variable "group_names" {
  description = "The auto scaling group of each process."
  type        = map(string)
}

variable "running" {
  description = "The processes that have an image to run."
  type        = set(string)
}

variable "key_arns" {
  description = "Keys whose change wakes somebody."
  type        = list(string)
}

variable "grafana" {
  description = "Whether to make a Managed Grafana workspace; people sign in through IAM Identity Center, which the account must have."
  type        = bool
}

variable "data_key_arn" {
  description = "The KMS key of metrics."
  type        = string
}

variable "signer_profiles" {
  description = "ARNs of the instance profiles whose machines may sign."
  type        = list(string)
}
