variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "region" {
  description = "The region, for the endpoints' names."
  type        = string
}

variable "partition" {
  description = "The AWS partition, for ARNs."
  type        = string
}

variable "account_id" {
  description = "The account whose principals may use the endpoints."
  type        = string
}

variable "cidr" {
  description = "The VPC's address range, at least a /18."
  type        = string
}

variable "zones" {
  description = "Availability zones, two or more."
  type        = list(string)
}

variable "nat" {
  description = "each: a NAT gateway in every zone; one: a single one; none: nothing reaches the internet."
  type        = string
}

variable "processes" {
  description = "Every process with what it reaches and whether it serves, from platform.json."
  type = map(object({
    reaches = list(string)
    serves  = bool
    signer  = bool
  }))
}

variable "client_cidrs" {
  description = "From where clients may reach the balancer."
  type        = list(string)
}

variable "tron_node_cidrs" {
  description = "Where the Tron nodes are."
  type        = list(string)
}

variable "tron_node_ports" {
  description = "The ports of the Tron nodes."
  type        = list(number)
}

variable "tron_node_lists" {
  description = "Managed prefix lists of where Tron nodes are."
  type        = set(string)
}

variable "webhook_ports" {
  description = "Ports that webhooks may be delivered to."
  type        = list(number)
}

variable "http_port" {
  description = "Where the API listens."
  type        = number
}

variable "log_key_arn" {
  description = "The KMS key of the flow logs."
  type        = string
}

variable "log_days" {
  description = "How long flow logs are kept."
  type        = number
}
