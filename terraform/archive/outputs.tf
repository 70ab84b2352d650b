output "checkpoints_bucket" {
  description = "Where signed checkpoints are written."
  value       = aws_s3_bucket.checkpoints.id
}

output "checkpoints_arn" {
  description = "Its ARN."
  value       = aws_s3_bucket.checkpoints.arn
}

output "logs_bucket" {
  description = "Where access logs are written."
  value       = aws_s3_bucket.logs.id
}
