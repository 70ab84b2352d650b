# Two kinds of key. A *wallet key* is coins: secp256k1, it never leaves KMS, and its policy names who may sign, so that no
# IAM policy anywhere, an administrator's included, can add a signer. A *wrapping key* encrypts what AWS keeps for us.
#
# What ends or opens a key (deletion, disabling, another policy) takes two parties: an approver tags the key
# `change-approved = yes`, then a custodian acts, with MFA. Neither can do the other's half. The policy holds for the root user
# and for Terraform as well: a change of these policies is applied by a custodian after an approval.

locals {
  root = "arn:${var.partition}:iam::${var.account_id}:root"

  changes = [
    "kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:PutKeyPolicy", "kms:DisableKeyRotation", "kms:DeleteImportedKeyMaterial",
    "kms:ImportKeyMaterial", "kms:UpdatePrimaryRegion",
  ]
  # What can be undone and opens nothing: IAM may give it to whoever runs Terraform.
  upkeep = [
    "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags", "kms:ListKeyPolicies",
    "kms:ListGrants", "kms:ListRetirableGrants", "kms:RevokeGrant", "kms:EnableKey", "kms:CancelKeyDeletion",
    "kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", "kms:UpdateKeyDescription", "kms:EnableKeyRotation",
    "kms:TagResource", "kms:UntagResource",
  ]

  two_parties = [
    {
      Sid       = "Upkeep"
      Effect    = "Allow"
      Principal = { AWS = local.root }
      Action    = local.upkeep
      Resource  = "*"
    },
    {
      Sid       = "CustodiansAfterApproval"
      Effect    = "Allow"
      Principal = { AWS = var.custodian_arns }
      Action    = local.changes
      Resource  = "*"
      Condition = {
        StringEquals    = { "aws:ResourceTag/change-approved" = "yes" }
        Bool            = { "aws:MultiFactorAuthPresent" = "true" }
        NumericLessThan = { "aws:MultiFactorAuthAge" = "3600" }
      }
    },
    {
      Sid       = "NobodyChangesWithoutApproval"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = local.changes
      Resource  = "*"
      Condition = { StringNotEquals = { "aws:ResourceTag/change-approved" = "yes" } }
    },
    {
      Sid       = "NobodyChangesWithoutMfa"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = local.changes
      Resource  = "*"
      Condition = { BoolIfExists = { "aws:MultiFactorAuthPresent" = "false" } }
    },
    {
      Sid       = "OnlyCustodiansChange"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = local.changes
      Resource  = "*"
      Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.custodian_arns } }
    },
    {
      Sid       = "OnlyApproversApprove"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = ["kms:TagResource", "kms:UntagResource"]
      Resource  = "*"
      # Names of tags in conditions ignore case, so this must as well: "Change-Approved" would count as an approval.
      Condition = {
        "ForAnyValue:StringEqualsIgnoreCase" = { "aws:TagKeys" = ["change-approved"] }
        ArnNotEquals                         = { "aws:PrincipalArn" = var.approver_arns }
      }
    },
  ]
}
