output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "subnet_ids" {
  description = "Subnets by kind: public, processes, signers, database, endpoints."
  value = {
    for kind in local.kinds : kind => [for zone in var.zones : aws_subnet.this["${kind}-${zone}"].id]
  }
}

output "security_group_ids" {
  description = "The group of each process kind, of `tools`, `balancer`, `database` and `endpoints`."
  value = merge(
    { for name, group in aws_security_group.process : name => group.id },
    {
      balancer  = aws_security_group.balancer.id
      database  = aws_security_group.database.id
      endpoints = aws_security_group.endpoints.id
    },
  )
}

output "nat_addresses" {
  description = "From these addresses webhooks and questions to nodes come: clients may want to allow them."
  value       = values(aws_eip.nat)[*].public_ip
}

output "balancer_cidrs" {
  description = "The balancer's subnets: whose X-Forwarded-For the API believes."
  value       = local.cidrs_of["public"]
}
