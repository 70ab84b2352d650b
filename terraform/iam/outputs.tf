output "role_arns" {
  description = "ARN of each process' role, and of `tools`."
  value       = { for name, role in aws_iam_role.process : name => role.arn }
}

output "instance_profiles" {
  description = "Instance profile of each process, and of `tools`."
  value       = { for name, profile in aws_iam_instance_profile.process : name => profile.name }
}

output "github_role_arns" {
  description = "Roles of the workflows: image, plan."
  value       = { for name, role in aws_iam_role.github : name => role.arn }
}

output "instance_profile_arns" {
  description = "Their ARNs."
  value       = { for name, profile in aws_iam_instance_profile.process : name => profile.arn }
}
