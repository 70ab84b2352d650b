output "group_names" {
  description = "The auto scaling group of each process, and of `tools`."
  value       = { for name, group in aws_autoscaling_group.this : name => group.name }
}
