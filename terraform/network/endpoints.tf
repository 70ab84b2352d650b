# AWS services answer inside the VPC. An endpoint serves this account's principals and nobody else, so that credentials
# from elsewhere, smuggled onto a machine, carry nothing out through it.

locals {
  interfaces = toset([
    "sqs", "kms", "secretsmanager", "logs", "xray", "aps-workspaces", "ecr.api", "ecr.dkr", "ssm", "ssmmessages", "autoscaling",
  ])
  # Where data could be carried out to, the other end must be this account's as well.
  data = toset(["sqs", "kms", "secretsmanager"])
  own_account = {
    Sid       = "OwnAccount"
    Effect    = "Allow"
    Principal = "*"
    Action    = "*"
    Resource  = "*"
    Condition = { StringEquals = { "aws:PrincipalAccount" = var.account_id } }
  }
  own_data = merge(local.own_account, {
    Sid       = "OwnData"
    Condition = { StringEquals = { "aws:PrincipalAccount" = var.account_id, "aws:ResourceAccount" = var.account_id } }
  })
  # What no principal of ours signs for: image layers of ECR and Amazon Linux packages are read from buckets of AWS.
  buckets_of_aws = {
    Sid       = "LayersAndPackages"
    Effect    = "Allow"
    Principal = "*"
    Action    = "s3:GetObject"
    Resource = [
      "arn:${var.partition}:s3:::prod-${var.region}-starport-layer-bucket/*",
      "arn:${var.partition}:s3:::al2023-repos-${var.region}-de612dc2/*",
    ]
  }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.interfaces

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${var.region}.${each.value}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = [for zone in var.zones : aws_subnet.this["endpoints-${zone}"].id]
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true
  policy              = jsonencode({ Version = "2012-10-17", Statement = [contains(local.data, each.value) ? local.own_data : local.own_account] })
  tags                = { Name = "${var.name}-${each.value}" }
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = values(aws_route_table.outward)[*].id
  policy            = jsonencode({ Version = "2012-10-17", Statement = [local.own_data, local.buckets_of_aws] })
  tags              = { Name = "${var.name}-s3" }
}

resource "aws_vpc_endpoint" "dynamodb" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.dynamodb"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = values(aws_route_table.outward)[*].id
  policy            = jsonencode({ Version = "2012-10-17", Statement = [local.own_data] })
  tags              = { Name = "${var.name}-dynamodb" }
}
