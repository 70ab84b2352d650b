output "dns_name" {
  description = "Point the API's host name here."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "The balancer's hosted zone, for an alias record."
  value       = aws_lb.this.zone_id
}

output "target_group_arn" {
  description = "Where machines that serve are registered."
  value       = aws_lb_target_group.api.arn
}

output "arn_suffix" {
  description = "The balancer in CloudWatch's dimensions."
  value       = aws_lb.this.arn_suffix
}

output "target_group_arn_suffix" {
  description = "The target group in CloudWatch's dimensions."
  value       = aws_lb_target_group.api.arn_suffix
}

output "firewall_name" {
  description = "The web ACL."
  value       = aws_wafv2_web_acl.this.name
}
