# A group per process kind. What a process reaches follows from platform.json; there is no rule for anything else, and none
# that lets one process speak to another: they meet in the database and the queues.

locals {
  groups = merge(var.processes, { tools = { reaches = ["nodes"], serves = false, signer = false } })
  reaching = {
    nodes    = [for name, process in local.groups : name if contains(process.reaches, "nodes")]
    webhooks = [for name, process in local.groups : name if contains(process.reaches, "webhooks")]
  }
  serving = [for name, process in local.groups : name if process.serves]
}

resource "aws_security_group" "balancer" {
  # checkov:skip=CKV2_AWS_5:It is attached in another module, which the scanner does not follow.
  name_prefix = "${var.name}-balancer-"
  description = "Clients to the balancer, and the balancer to the API"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-balancer" }

  lifecycle { create_before_destroy = true }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = toset(var.client_cidrs)

  security_group_id = aws_security_group.balancer.id
  description       = "HTTPS from clients"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  for_each = toset(local.serving)

  security_group_id            = aws_security_group.balancer.id
  description                  = "To ${each.value}"
  referenced_security_group_id = aws_security_group.process[each.value].id
  ip_protocol                  = "tcp"
  from_port                    = var.http_port
  to_port                      = var.http_port
}

resource "aws_security_group" "process" {
  # checkov:skip=CKV2_AWS_5:It is attached in another module, which the scanner does not follow.
  for_each = local.groups

  name_prefix = "${var.name}-${each.key}-"
  description = "Machines that run ${each.key}"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-${each.key}" }

  lifecycle { create_before_destroy = true }
}

resource "aws_vpc_security_group_ingress_rule" "process" {
  for_each = toset(local.serving)

  security_group_id            = aws_security_group.process[each.value].id
  description                  = "From the balancer"
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = var.http_port
  to_port                      = var.http_port
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  for_each = local.groups

  security_group_id            = aws_security_group.process[each.key].id
  description                  = "AWS services, through their endpoints"
  referenced_security_group_id = aws_security_group.endpoints.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "gateways" {
  for_each = { for pair in setproduct(keys(local.groups), ["s3", "dynamodb"]) : "${pair[0]}-${pair[1]}" => pair }

  security_group_id = aws_security_group.process[each.value[0]].id
  description       = "${each.value[1]}, through its gateway endpoint"
  prefix_list_id    = each.value[1] == "s3" ? aws_vpc_endpoint.s3.prefix_list_id : aws_vpc_endpoint.dynamodb.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "database" {
  for_each = local.groups

  security_group_id            = aws_security_group.process[each.key].id
  description                  = "Postgres"
  referenced_security_group_id = aws_security_group.database.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_vpc_security_group_egress_rule" "nodes" {
  for_each = {
    for triple in setproduct(local.reaching.nodes, var.tron_node_cidrs, var.tron_node_ports) :
    join("-", triple) => { process = triple[0], cidr = triple[1], port = triple[2] }
  }

  security_group_id = aws_security_group.process[each.value.process].id
  description       = "Tron nodes"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

# A provider whose nodes have no fixed addresses: its ranges in a list that the operator keeps. A proxy would be one more machine that
# every signer depends on, and that reads along; a list is followed by the security group itself.
resource "aws_vpc_security_group_egress_rule" "node_lists" {
  for_each = {
    for triple in setproduct(local.reaching.nodes, var.tron_node_lists, var.tron_node_ports) :
    join("-", triple) => { process = triple[0], list = triple[1], port = triple[2] }
  }

  security_group_id = aws_security_group.process[each.value.process].id
  description       = "Tron nodes of a provider"
  prefix_list_id    = each.value.list
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

# An operator's way in: from the tools machine, which people enter by Session Manager, to the API itself.
resource "aws_vpc_security_group_egress_rule" "operators" {
  for_each = toset(local.serving)

  security_group_id            = aws_security_group.process["tools"].id
  description                  = "Operators to ${each.value}"
  referenced_security_group_id = aws_security_group.process[each.value].id
  ip_protocol                  = "tcp"
  from_port                    = var.http_port
  to_port                      = var.http_port
}

resource "aws_vpc_security_group_ingress_rule" "operators" {
  for_each = toset(local.serving)

  security_group_id            = aws_security_group.process[each.value].id
  description                  = "From the tools machine"
  referenced_security_group_id = aws_security_group.process["tools"].id
  ip_protocol                  = "tcp"
  from_port                    = var.http_port
  to_port                      = var.http_port
}

# Clients' endpoints can be anywhere. The process itself refuses addresses that are not public (SSRF), and reaches nothing
# else from here: the rules above end at groups, not at addresses.
resource "aws_vpc_security_group_egress_rule" "webhooks" {
  for_each = {
    for pair in setproduct(local.reaching.webhooks, var.webhook_ports) :
    join("-", pair) => { process = pair[0], port = pair[1] }
  }

  security_group_id = aws_security_group.process[each.value.process].id
  description       = "Webhooks to clients"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

resource "aws_security_group" "database" {
  # checkov:skip=CKV2_AWS_5:It is attached in another module, which the scanner does not follow.
  name_prefix = "${var.name}-database-"
  description = "Postgres, from the processes"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-database" }

  lifecycle { create_before_destroy = true }
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  for_each = local.groups

  security_group_id            = aws_security_group.database.id
  description                  = "Postgres from ${each.key}"
  referenced_security_group_id = aws_security_group.process[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_security_group" "endpoints" {
  name_prefix = "${var.name}-endpoints-"
  description = "AWS services, from the processes"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-endpoints" }

  lifecycle { create_before_destroy = true }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  for_each = local.groups

  security_group_id            = aws_security_group.endpoints.id
  description                  = "HTTPS from ${each.key}"
  referenced_security_group_id = aws_security_group.process[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}
