variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "prefix" {
  description = "Stands before every name where installations share an account and a region."
  type        = string
}

variable "partition" {
  description = "The AWS partition, for ARNs."
  type        = string
}

variable "region" {
  description = "The region, for the services that use a key on our behalf."
  type        = string
}

variable "account_id" {
  description = "The account."
  type        = string
}

variable "processes" {
  description = "Every process with all that it may use, from platform.json."
  type = map(object({
    sends         = list(string)
    receives      = list(string)
    tables        = map(list(string))
    audits        = bool
    secrets       = list(string)
    archives      = bool
    reads_archive = bool
    payin_keys    = string
    serves        = bool
  }))
}

variable "queue_arns" {
  description = "ARN of each queue."
  type        = map(string)
}

variable "dead_letter_arns" {
  description = "ARN of each queue's dead-letter queue."
  type        = map(string)
}

variable "table_arns" {
  description = "ARN of each table."
  type        = map(string)
}

variable "secret_arns" {
  description = "ARN of each secret."
  type        = map(string)
}

variable "owner_secret_arn" {
  description = "RDS' secret with the database owner's login, for the tools role."
  type        = string
}

variable "key_arns" {
  description = "ARN of each wrapping key: data, secrets, logs, seed."
  type        = map(string)
}

variable "log_group_arns" {
  description = "ARN of each process' log group, and of `tools`."
  type        = map(string)
}

variable "repository_arns" {
  description = "The container repositories: the program's, which the workflow pushes to, and the collector's."
  type        = list(string)
}

variable "checkpoints_arn" {
  description = "The bucket of signed checkpoints, which the process that makes them may write, and the tools role read."
  type        = string
}

variable "payin_keys" {
  description = "kms: each deposit address has a KMS key of its own; derived: they follow from a seed."
  type        = string
}

variable "metrics_workspace_arn" {
  description = "The Prometheus workspace that collectors write to."
  type        = string
}

variable "github_repository" {
  description = "owner/name of the repository whose workflows may push images and plan; empty: none."
  type        = string
}

variable "state_arn" {
  description = "ARN of the state's object, s3 bucket/key, that a plan reads; empty where no workflow plans."
  type        = string
}

variable "github_provider_arn" {
  description = "GitHub's identity provider where the account has it already; empty: one is made."
  type        = string
}
