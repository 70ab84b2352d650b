# The coins themselves: one key for each online wallet.

locals {
  wallets = toset(keys(var.wallet_aliases))

  wallet_policy = {
    for wallet in local.wallets : wallet => {
      Version = "2012-10-17"
      Statement = concat(
        local.two_parties,
        length(var.signers[wallet]) == 0 ? [] : [{
          Sid       = "Sign"
          Effect    = "Allow"
          Principal = { AWS = var.signers[wallet] }
          Action    = ["kms:Sign"]
          Resource  = "*"
          Condition = { StringEquals = { "kms:MessageType" = "DIGEST", "kms:SigningAlgorithm" = "ECDSA_SHA_256" } }
        }],
        length(var.knowers[wallet]) == 0 ? [] : [{
          Sid       = "Know"
          Effect    = "Allow"
          Principal = { AWS = var.knowers[wallet] }
          Action    = ["kms:GetPublicKey", "kms:DescribeKey"]
          Resource  = "*"
        }],
        [
          merge(
            { Sid = "NobodyElseSigns", Effect = "Deny", Principal = { AWS = "*" }, Action = ["kms:Sign"], Resource = "*" },
            length(var.signers[wallet]) == 0 ? {} : {
              Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.signers[wallet] } }
            },
          ),
          {
            # A signer's credentials are worth nothing outside our network.
            Sid       = "NothingIsSignedFromElsewhere"
            Effect    = "Deny"
            Principal = { AWS = "*" }
            Action    = ["kms:Sign"]
            Resource  = "*"
            Condition = { StringNotEquals = { "aws:SourceVpc" = var.vpc_id } }
          },
          {
            # A grant would be a signer that this policy does not name.
            Sid       = "NobodyGrants"
            Effect    = "Deny"
            Principal = { AWS = "*" }
            Action    = ["kms:CreateGrant", "kms:ReplicateKey"]
            Resource  = "*"
          },
        ],
      )
    }
  }
}

resource "aws_kms_key" "wallet" {
  for_each = local.wallets

  description              = "${var.name}: the ${each.value} wallet's coins"
  customer_master_key_spec = "ECC_SECG_P256K1"
  key_usage                = "SIGN_VERIFY"
  deletion_window_in_days  = var.deletion_window_days
  policy                   = jsonencode(local.wallet_policy[each.value])
  # Whoever applies this may not change the policy afterwards; that is the intent, and this says so to KMS.
  bypass_policy_lockout_safety_check = true
  tags                               = { Wallet = each.value }

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [tags["change-approved"], tags_all["change-approved"]]
  }
}

resource "aws_kms_alias" "wallet" {
  for_each = local.wallets

  name          = replace(var.wallet_aliases[each.value], "/^alias./", "alias/${var.prefix}")
  target_key_id = aws_kms_key.wallet[each.value].key_id
}
