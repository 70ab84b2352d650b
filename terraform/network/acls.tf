# Network ACLs know no state: answers come back to the ports that Linux asks from. They hold against a security group that
# somebody widens.

locals {
  cidrs_of   = { for kind in local.kinds : kind => [for name, subnet in local.subnets : subnet.cidr if subnet.kind == kind] }
  callers    = concat(local.cidrs_of["processes"], local.cidrs_of["signers"])
  high_ports = { from = 32768, to = 65535 }
  # S3 and DynamoDB answer at public addresses behind their gateway endpoints, and a provider's list is no range that an ACL could
  # name: 443 stays open here, and where to is the security groups' affair, which know the nodes.
  open_ports = setunion([443], length(var.tron_node_lists) == 0 ? [] : var.tron_node_ports)
  node_rules = [for pair in setproduct(var.tron_node_cidrs, var.tron_node_ports) : { cidr = pair[0], port = pair[1] } if !contains(local.open_ports, pair[1])]
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
  for_each = { for index, port in sort([for port in local.open_ports : tostring(port)]) : port => index }

  network_acl_id = aws_network_acl.signers.id
  egress         = true
  rule_number    = 100 + each.value
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = "0.0.0.0/0"
  from_port      = tonumber(each.key)
  to_port        = tonumber(each.key)
}

resource "aws_network_acl_rule" "signers_ask_nodes" {
  for_each = { for index, rule in local.node_rules : "${rule.cidr}-${rule.port}" => merge(rule, { number = 150 + index }) }

  network_acl_id = aws_network_acl.signers.id
  egress         = true
  rule_number    = each.value.number
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = each.value.cidr
  from_port      = each.value.port
  to_port        = each.value.port
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
