# Five kinds of subnet in every zone. Only the public ones have a way in from the internet, and only the balancer and the NAT
# gateways stand there. Signers, the database and the endpoints each have subnets of their own, so that network ACLs can
# hold what security groups say a second time.

locals {
  kinds = ["public", "processes", "signers", "database", "endpoints"]
  # A /18 gives 16 subnets of a /22 each for five kinds in at most three zones.
  subnets = {
    for pair in setproduct(range(length(local.kinds)), range(length(var.zones))) :
    "${local.kinds[pair[0]]}-${var.zones[pair[1]]}" => {
      kind = local.kinds[pair[0]]
      zone = var.zones[pair[1]]
      cidr = cidrsubnet(var.cidr, 4, pair[0] * 3 + pair[1])
    }
  }
  nat_zones = var.nat == "each" ? var.zones : var.nat == "one" ? slice(var.zones, 0, 1) : []
  # Endpoints and database answer inside the VPC and ask nobody outside.
  outward = { for name, subnet in local.subnets : name => subnet if contains(["processes", "signers"], subnet.kind) }
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr
  enable_dns_hostnames = true
  enable_dns_support   = true
  tags                 = { Name = var.name }
}

# The group that a machine gets when somebody forgets to name one lets nothing through.
resource "aws_default_security_group" "none" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-default-closed" }
}

resource "aws_subnet" "this" {
  for_each = local.subnets

  vpc_id                  = aws_vpc.this.id
  cidr_block              = each.value.cidr
  availability_zone       = each.value.zone
  map_public_ip_on_launch = false
  tags                    = { Name = "${var.name}-${each.key}", Kind = each.value.kind }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = var.name }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-public" }
}

resource "aws_route" "public" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = toset(var.zones)

  subnet_id      = aws_subnet.this["public-${each.value}"].id
  route_table_id = aws_route_table.public.id
}

resource "aws_eip" "nat" {
  for_each = toset(local.nat_zones)

  domain = "vpc"
  tags   = { Name = "${var.name}-nat-${each.value}" }
}

resource "aws_nat_gateway" "this" {
  for_each = toset(local.nat_zones)

  allocation_id = aws_eip.nat[each.value].id
  subnet_id     = aws_subnet.this["public-${each.value}"].id
  tags          = { Name = "${var.name}-${each.value}" }
  depends_on    = [aws_internet_gateway.this]
}

resource "aws_route_table" "outward" {
  for_each = local.outward

  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-${each.key}" }
}

resource "aws_route" "outward" {
  for_each = { for name, subnet in local.outward : name => subnet if var.nat != "none" }

  route_table_id         = aws_route_table.outward[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[var.nat == "each" ? each.value.zone : local.nat_zones[0]].id
}

resource "aws_route_table_association" "outward" {
  for_each = local.outward

  subnet_id      = aws_subnet.this[each.key].id
  route_table_id = aws_route_table.outward[each.key].id
}

# No route but the VPC's own.
resource "aws_route_table" "inward" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-inward" }
}

resource "aws_route_table_association" "inward" {
  for_each = { for name, subnet in local.subnets : name => subnet if contains(["database", "endpoints"], subnet.kind) }

  subnet_id      = aws_subnet.this[each.key].id
  route_table_id = aws_route_table.inward.id
}
