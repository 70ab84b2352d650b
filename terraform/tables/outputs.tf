output "arns" {
  description = "ARN of each table, by its name in the program."
  value       = { for name, table in aws_dynamodb_table.this : name => table.arn }
}

output "names" {
  description = "Each table's name in DynamoDB, by its name in the program."
  value       = { for name, table in aws_dynamodb_table.this : name => table.name }
}
