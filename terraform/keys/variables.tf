variable "name" {
  description = "What stands first in descriptions and in the aliases of the keys that only AWS services use."
  type        = string
}

variable "prefix" {
  description = "Stands before every name where installations share an account and a region."
  type        = string
}

variable "wallet_aliases" {
  description = "Wallet -> alias of its key, from platform.json."
  type        = map(string)
}

variable "seed_alias" {
  description = "Alias of the key that wraps the deposit seed, from platform.json."
  type        = string
}

variable "partition" {
  description = "The AWS partition, for ARNs."
  type        = string
}

variable "account_id" {
  description = "The account that owns the keys."
  type        = string
}

variable "region" {
  description = "The region, for the logs service's principal."
  type        = string
}

variable "signers" {
  description = "Wallet -> ARNs of the roles that may sign with it."
  type        = map(list(string))
}

variable "knowers" {
  description = "Wallet -> ARNs of the roles that may ask for its public key."
  type        = map(list(string))
}

variable "seed_users" {
  description = "ARNs of the roles that may unwrap the deposit seed."
  type        = list(string)
}

variable "seed_makers" {
  description = "ARNs of the roles that may wrap a new deposit seed."
  type        = list(string)
}

variable "custodian_arns" {
  description = "Principals that may disable or delete a key, or change its policy, once another party has approved it."
  type        = list(string)

  validation {
    condition     = length(var.custodian_arns) > 0
    error_message = "Name at least one custodian: nobody else can ever change these keys."
  }
}

variable "approver_arns" {
  description = "Principals that approve what a custodian is about to do. None of them may be a custodian."
  type        = list(string)

  validation {
    condition     = length(var.approver_arns) > 0 && length(setintersection(var.approver_arns, var.custodian_arns)) == 0
    error_message = "Name at least one approver, and nobody who is a custodian: two hands are the point."
  }
}

variable "deletion_window_days" {
  description = "Days between a key's deletion and its end."
  type        = number
  default     = 30
}

variable "vpc_id" {
  description = "Outside this VPC nothing is signed and no seed unwrapped."
  type        = string
}
