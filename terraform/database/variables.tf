variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "partition" {
  description = "The AWS partition, for ARNs."
  type        = string
}

variable "account_id" {
  description = "The account, for the monitoring role's trust."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the database, in two zones or more."
  type        = list(string)
}

variable "security_group_id" {
  description = "The database's security group."
  type        = string
}

variable "key_arn" {
  description = "The KMS key of storage, backups and Performance Insights."
  type        = string
}

variable "secret_key_arn" {
  description = "The KMS key of the owner's secret."
  type        = string
}

variable "engine_version" {
  description = "Postgres' major version."
  type        = string
}

variable "instance_class" {
  description = "The size of each of the two machines."
  type        = string
}

variable "storage_gib" {
  description = "Storage at the start."
  type        = number
}

variable "storage_gib_max" {
  description = "How far storage may grow by itself."
  type        = number
}

variable "backup_days" {
  description = "Days for which any second can be restored."
  type        = number
}

variable "deletion_protection" {
  description = "Whether the database refuses to be deleted."
  type        = bool
}

variable "connections_max" {
  description = "max_connections: every process takes up to 11 for each of its machines, the API more."
  type        = number
  default     = 500
}
