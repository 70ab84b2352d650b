# Containers only: no value stands in Terraform's state. `counterfoil secrets make`, run once with the tools role, fills those
# that are empty. A resource policy names the readers of each secret, whatever IAM allows elsewhere.

resource "aws_secretsmanager_secret" "this" {
  for_each = var.readers

  name                    = "${var.prefix}${each.key}"
  description             = "Read by ${length(each.value)} kinds of process; filled by counterfoil secrets make"
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_days
}

resource "aws_secretsmanager_secret_policy" "this" {
  for_each = var.readers

  secret_arn          = aws_secretsmanager_secret.this[each.key].arn
  block_public_policy = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "NobodyElseReads"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = ["secretsmanager:GetSecretValue"]
        Resource  = "*"
        Condition = {
          ArnNotEquals = { "aws:PrincipalArn" = compact(concat(each.value, var.writer_arns, contains(var.rotated, each.key) ? [var.rotation_role_arn] : [])) }
        }
      },
      {
        Sid       = "NobodyElseWrites"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = ["secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret", "secretsmanager:UpdateSecretVersionStage"]
        Resource  = "*"
        Condition = {
          ArnNotEquals = { "aws:PrincipalArn" = compact(concat(var.writer_arns, contains(var.rotated, each.key) ? [var.rotation_role_arn] : [])) }
        }
      },
      {
        Sid       = "NobodyElseOpens"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action = [
          "secretsmanager:PutResourcePolicy", "secretsmanager:DeleteResourcePolicy", "secretsmanager:DeleteSecret",
          "secretsmanager:ReplicateSecretToRegions",
        ]
        Resource  = "*"
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.guardian_arns } }
      },
    ]
  })
}

resource "aws_secretsmanager_secret_rotation" "this" {
  # checkov:skip=CKV_AWS_304:The root's variable takes 1 to 90 days; the scanner does not follow it.
  for_each = var.rotation_lambda_arn == "" ? toset([]) : var.rotated

  secret_id           = aws_secretsmanager_secret.this[each.value].id
  rotation_lambda_arn = var.rotation_lambda_arn

  rotation_rules {
    automatically_after_days = var.rotation_days
  }
}
