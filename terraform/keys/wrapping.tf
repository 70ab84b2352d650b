# What AWS services encrypt for us, and the deposit seed. Used through the services that are named here and by nobody directly,
# but for the seed, which the signers unwrap themselves.

locals {
  # A condition needs a name even where there is nobody.
  nobody = "arn:${var.partition}:iam::${var.account_id}:role/nobody"

  services = {
    data    = ["dynamodb", "rds", "s3", "aps"]
    secrets = ["secretsmanager", "rds"]
  }

  wrapping_policy = merge(
    {
      for name, services in local.services : name => {
        Version = "2012-10-17"
        Statement = concat(local.two_parties, [
          {
            Sid       = "ThroughTheServices"
            Effect    = "Allow"
            Principal = { AWS = local.root }
            Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:DescribeKey"]
            Resource  = "*"
            Condition = { StringEquals = { "kms:ViaService" = [for service in services : "${service}.${var.region}.amazonaws.com"] } }
          },
          {
            Sid       = "GrantsForServices"
            Effect    = "Allow"
            Principal = { AWS = local.root }
            Action    = ["kms:CreateGrant"]
            Resource  = "*"
            Condition = {
              Bool         = { "kms:GrantIsForAWSResource" = "true" }
              StringEquals = { "kms:ViaService" = [for service in services : "${service}.${var.region}.amazonaws.com"] }
            }
          },
        ])
      }
    },
    {
      logs = {
        Version = "2012-10-17"
        Statement = concat(local.two_parties, [
          {
            Sid       = "Logs"
            Effect    = "Allow"
            Principal = { Service = "logs.${var.region}.amazonaws.com" }
            Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:DescribeKey"]
            Resource  = "*"
            Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:${var.partition}:logs:${var.region}:${var.account_id}:*" } }
          },
          {
            Sid       = "Alarms"
            Effect    = "Allow"
            Principal = { Service = ["cloudwatch.amazonaws.com", "events.amazonaws.com", "aps.amazonaws.com"] }
            Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
            Resource  = "*"
            Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
          },
          {
            Sid       = "Trail"
            Effect    = "Allow"
            Principal = { Service = "cloudtrail.amazonaws.com" }
            Action    = ["kms:GenerateDataKey", "kms:DescribeKey"]
            Resource  = "*"
            Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
          },
          {
            Sid       = "ReadThroughServices"
            Effect    = "Allow"
            Principal = { AWS = local.root }
            Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
            Resource  = "*"
            Condition = { StringEquals = { "kms:ViaService" = ["s3.${var.region}.amazonaws.com", "sns.${var.region}.amazonaws.com"] } }
          },
        ])
      }
      seed = {
        Version = "2012-10-17"
        Statement = concat(
          local.two_parties,
          length(var.seed_users) == 0 ? [] : [{
            Sid       = "Unwrap"
            Effect    = "Allow"
            Principal = { AWS = var.seed_users }
            Action    = ["kms:Decrypt", "kms:DescribeKey"]
            Resource  = "*"
            Condition = { StringEquals = { "kms:EncryptionContext:counterfoil" = "deposit-seed" } }
          }],
          length(var.seed_makers) == 0 ? [] : [{
            Sid       = "Wrap"
            Effect    = "Allow"
            Principal = { AWS = var.seed_makers }
            Action    = ["kms:GenerateDataKey", "kms:DescribeKey"]
            Resource  = "*"
            Condition = { StringEquals = { "kms:EncryptionContext:counterfoil" = "deposit-seed" } }
          }],
          [
            {
              Sid       = "NobodyElseUnwraps"
              Effect    = "Deny"
              Principal = { AWS = "*" }
              Action    = ["kms:Decrypt", "kms:ReEncryptFrom"]
              Resource  = "*"
              Condition = { ArnNotEquals = { "aws:PrincipalArn" = length(var.seed_users) == 0 ? [local.nobody] : var.seed_users } }
            },
            {
              Sid       = "NothingIsUnwrappedElsewhere"
              Effect    = "Deny"
              Principal = { AWS = "*" }
              Action    = ["kms:Decrypt", "kms:ReEncryptFrom", "kms:GenerateDataKey"]
              Resource  = "*"
              Condition = { StringNotEquals = { "aws:SourceVpc" = var.vpc_id } }
            },
            {
              Sid       = "NobodyGrants"
              Effect    = "Deny"
              Principal = { AWS = "*" }
              Action    = ["kms:CreateGrant", "kms:ReplicateKey"]
              Resource  = "*"
            },
          ],
        )
      }
    },
  )

  purposes = {
    data    = "tables, the database, the archive and metrics"
    secrets = "Secrets Manager"
    logs    = "logs, the trail and alarms"
    seed    = "the seed that deposit addresses are derived from"
  }
}

resource "aws_kms_key" "wrapping" {
  for_each = local.purposes

  description                        = "${var.name}: ${each.value}"
  enable_key_rotation                = true
  deletion_window_in_days            = var.deletion_window_days
  policy                             = jsonencode(local.wrapping_policy[each.key])
  bypass_policy_lockout_safety_check = true

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [tags["change-approved"], tags_all["change-approved"]]
  }
}

resource "aws_kms_alias" "wrapping" {
  for_each = local.purposes

  name          = each.key == "seed" ? replace(var.seed_alias, "/^alias./", "alias/${var.prefix}") : "alias/${var.name}-${each.key}"
  target_key_id = aws_kms_key.wrapping[each.key].key_id
}
