variable "prefix" {
  description = "Stands before every name where installations share an account and a region."
  type        = string
}

variable "tables" {
  description = "Every table with its keys and indexes, from platform.json."
  type = map(object({
    name      = string
    hash_key  = string
    range_key = optional(string)
    ttl       = string
    indexes = list(object({
      name      = string
      hash_key  = string
      range_key = optional(string)
    }))
  }))
}

variable "key_arn" {
  description = "The KMS key that encrypts the tables."
  type        = string
}

variable "deletion_protection" {
  description = "Whether a table refuses to be deleted."
  type        = bool
}
