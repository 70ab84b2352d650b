variable "name" {
  description = "Prefix of the buckets' names."
  type        = string
}

variable "account_id" {
  description = "The account; bucket names are unique in the world, so it stands in them."
  type        = string
}

variable "region" {
  description = "The region, for the same reason."
  type        = string
}

variable "partition" {
  description = "The AWS partition, for ARNs."
  type        = string
}

variable "key_arn" {
  description = "The KMS key of the archive."
  type        = string
}

variable "log_key_arn" {
  description = "The KMS key of the trail."
  type        = string
}

variable "writer_arns" {
  description = "Roles that write signed checkpoints."
  type        = list(string)
}

variable "lock_years" {
  description = "Years in which nobody, the root user included, can change or delete a checkpoint."
  type        = number
}

variable "log_days" {
  description = "Days for which access logs are kept."
  type        = number
}

variable "trail" {
  description = "Whether to record the account's management events here; an organisation's trail may do it already."
  type        = bool
}

variable "custodian_arns" {
  description = "Principals that may change the lock's default for what is written later."
  type        = list(string)
}
