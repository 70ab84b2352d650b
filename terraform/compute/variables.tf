variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}

variable "processes" {
  description = "Every process with where it stands and what its number follows, from platform.json."
  type = map(object({
    summary = string
    signer  = bool
    serves  = bool
    scale = object({
      by           = string
      queue        = string
      metric       = string
      machines_min = number
      machines_max = number
    })
  }))
}

variable "queue_names" {
  description = "Each queue's name in SQS, for the age of its oldest message."
  type        = map(string)
}

variable "environment" {
  description = "Settings of every process: COUNTERFOIL_* and AWS_REGION. No secret stands here."
  type        = map(string)
}

variable "signer_environment" {
  description = "What the signer of payouts is told beside that, and nobody else: its limits and the approvers' public keys."
  type        = map(string)
}

variable "images" {
  description = "The container image of each process, and of `tools`, by digest; empty: none of its machines is started yet."
  type        = map(string)
}

variable "collector_image" {
  description = "An OpenTelemetry collector's image in a repository of ours; empty: none."
  type        = string
}

variable "remote_write_url" {
  description = "Where the collector writes metrics."
  type        = string
}

variable "ami_id" {
  description = "The machines' image."
  type        = string
}

variable "instance_types" {
  description = "Process -> instance type; `default` for those that are not named."
  type        = map(string)
}

variable "machines" {
  description = "Process -> other bounds than platform.json has."
  type        = map(object({ min = number, max = number }))
}

variable "subnet_ids" {
  description = "Subnets by kind: processes, signers."
  type        = map(list(string))
}

variable "security_group_ids" {
  description = "The group of each process, and of `tools`."
  type        = map(string)
}

variable "instance_profiles" {
  description = "The instance profile of each process, and of `tools`."
  type        = map(string)
}

variable "log_group_names" {
  description = "The log group of each process, and of `tools`."
  type        = map(string)
}

variable "target_group_arns" {
  description = "Where the balancer finds the processes that serve."
  type        = list(string)
}

variable "queue_age_s" {
  description = "A machine is added when the oldest message of a queue is older than this for two minutes."
  type        = number
}

variable "lag_s" {
  description = "A machine is added when a process says that it is so far behind for two minutes."
  type        = number
}

variable "metrics_port" {
  description = "Where a process tells its numbers on loopback, for the collector."
  type        = number
}

variable "database_ca" {
  description = "The certificate authorities of the database, in PEM."
  type        = string
}
