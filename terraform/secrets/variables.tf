variable "prefix" {
  description = "Stands before every name where installations share an account and a region."
  type        = string
}

variable "key_arn" {
  description = "The KMS key that encrypts the secrets."
  type        = string
}

variable "readers" {
  description = "Secret -> ARNs of the roles that may read it. The keys of this map are the secrets that are made."
  type        = map(list(string))
}

variable "writer_arns" {
  description = "Principals that may put values into the secrets and read them: the tools role, and custodians."
  type        = list(string)
}

variable "rotated" {
  description = "Secrets that the rotation function renews: the database logins."
  type        = set(string)
}

variable "rotation_lambda_arn" {
  description = "The function that rotates database logins; empty: `counterfoil secrets rotate database` renews them."
  type        = string
}

variable "rotation_days" {
  description = "Days between two rotations."
  type        = number
}

variable "recovery_days" {
  description = "Days in which a deleted secret can be brought back."
  type        = number
  default     = 30
}

variable "rotation_role_arn" {
  description = "The rotation function's role, which then may read and write the logins."
  type        = string
}

variable "guardian_arns" {
  description = "Principals that may change who reads a secret, or delete one."
  type        = list(string)
}
