variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Public subnets, in two zones or more."
  type        = list(string)
}

variable "security_group_id" {
  description = "The balancer's group."
  type        = string
}

variable "certificate_arn" {
  description = "The certificate in ACM for the API's host name."
  type        = string
}

variable "logs_bucket" {
  description = "The bucket of access logs."
  type        = string
}

variable "log_key_arn" {
  description = "The KMS key of the firewall's log."
  type        = string
}

variable "log_days" {
  description = "Days for which the firewall's log is kept."
  type        = number
}

variable "http_port" {
  description = "Where the API listens."
  type        = number
}

variable "requests_max" {
  description = "Requests that one address may make in five minutes."
  type        = number
}

variable "operator_cidrs" {
  description = "From where an operator's key is taken at the public address."
  type        = list(string)
}

variable "blocked_countries" {
  description = "Countries whose requests are refused."
  type        = list(string)
}

variable "deletion_protection" {
  description = "Whether the balancer refuses to be deleted."
  type        = bool
}
