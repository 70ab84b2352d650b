variable "prefix" {
  description = "Stands before every name where installations share an account and a region."
  type        = string
}

variable "queues" {
  description = "Name in the program -> names in SQS, from platform.json."
  type        = map(object({ name = string, dead_letters = string }))
}

variable "attributes" {
  description = "Attributes of every queue as SQS calls them, from platform.json."
  type        = map(string)
}
