output "wallet_arns" {
  description = "ARN of the key of each wallet."
  value       = { for name, key in aws_kms_key.wallet : name => key.arn }
}

output "wallet_key_ids" {
  description = "Id of the key of each wallet, for COUNTERFOIL_* settings and `kms_key_id`."
  value       = { for name, key in aws_kms_key.wallet : name => key.key_id }
}

output "wrapping_arns" {
  description = "ARN of each wrapping key: data, secrets, logs, seed."
  value       = { for name, key in aws_kms_key.wrapping : name => key.arn }
}
