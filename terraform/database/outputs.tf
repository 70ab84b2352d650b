output "address" {
  description = "The host that processes connect to."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Its port."
  value       = aws_db_instance.this.port
}

output "database" {
  description = "The database's name."
  value       = aws_db_instance.this.db_name
}

output "owner_secret_arn" {
  description = "RDS' own secret with the owner's login: only the tools role reads it."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "identifier" {
  description = "The instance, for alarms."
  value       = aws_db_instance.this.identifier
}
