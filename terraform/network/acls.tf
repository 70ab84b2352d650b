# Network ACLs know no state: answers come back to the ports that Linux asks from. They hold against a security group that
# somebody widens.

locals {
  cidrs_of     = { for kind in local.kinds : kind => [for name, subnet in local.subnets : subnet.cidr if subnet.kind == kind] }
  callers      = concat(local.cidrs_of["processes"], local.cidrs_of["signers"])
  high_ports   = { from = 32768, to = 65535 }
  node_ports   = setunion([for port in var.tron_node_ports : port], [443])
  signer_peers = concat(local.cidrs_of["endpoints"], local.cidrs_of["database"])
}

# Nothing may begin a conversation with a signer, from nowhere: only answers to what it asked come in.
resource "aws_network_acl" "signers" {
  # checkov:skip=CKV2_AWS_1:It is attached, to every subnet of its kind; the scanner does not follow the expression.
  vpc_id     = aws_vpc.this.id
  subnet_ids = [for zone in var.zones : aws_subnet.this["signers-${zone}"].id]
  tags       = { Name = "${var.name}-signers" }
}

resource "aws_network_acl_rule" "signers_answers" {
  network_acl_id = aws_network_acl.signers.id
  rule_number    = 100
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = "0.0.0.0/0"
  from_port      = local.high_ports.from
  to_port        = local.high_ports.to
}

resource "aws_network_acl_rule" "signers_ask" {
  for_each = { for index, port in sort([for port in local.node_ports : tostring(port)]) : port => index }

  network_acl_id = aws_network_acl.signers.id
  egress         = true
  rule_number    = 100 + each.value
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = "0.0.0.0/0"
  from_port      = tonumber(each.key)
  to_port        = tonumber(each.key)
}

resource "aws_network_acl_rule" "signers_ask_database" {
  for_each = { for index, cidr in local.cidrs_of["database"] : cidr => index }

  network_acl_id = aws_network_acl.signers.id
  egress         = true
  rule_number    = 200 + each.value
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = each.key
  from_port      = 5432
  to_port        = 5432
}

resource "aws_network_acl" "database" {
  # checkov:skip=CKV2_AWS_1:It is attached, to every subnet of its kind; the scanner does not follow the expression.
  vpc_id     = aws_vpc.this.id
  subnet_ids = [for zone in var.zones : aws_subnet.this["database-${zone}"].id]
  tags       = { Name = "${var.name}-database" }
}

resource "aws_network_acl_rule" "database_asked" {
  for_each = { for index, cidr in concat(local.callers, local.cidrs_of["database"]) : cidr => index }

  network_acl_id = aws_network_acl.database.id
  rule_number    = 100 + each.value
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = each.key
  from_port      = 5432
  to_port        = 5432
}

resource "aws_network_acl_rule" "database_answers" {
  for_each = { for index, cidr in concat(local.callers, local.cidrs_of["database"]) : cidr => index }

  network_acl_id = aws_network_acl.database.id
  egress         = true
  rule_number    = 100 + each.value
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = each.key
  from_port      = local.high_ports.from
  to_port        = local.high_ports.to
}
