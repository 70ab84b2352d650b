# Signed checkpoints of the history stand here, outside the database that they prove. Object lock in compliance mode: what was
# written stays as it was written until its years are over, whoever asks.

resource "aws_s3_bucket" "checkpoints" {
  # checkov:skip=CKV_AWS_144:A second region is the operator's choice; checkpoints are public proofs that auditors copy anyway.
  # checkov:skip=CKV2_AWS_62:Nothing waits for a checkpoint to be written; auditors ask for them.
  bucket              = "${var.name}-checkpoints-${var.account_id}-${var.region}"
  object_lock_enabled = true

  lifecycle { prevent_destroy = true }
}

resource "aws_s3_bucket_object_lock_configuration" "checkpoints" {
  bucket = aws_s3_bucket.checkpoints.id

  rule {
    default_retention {
      mode  = "COMPLIANCE"
      years = var.lock_years
    }
  }
}

resource "aws_s3_bucket_versioning" "checkpoints" {
  bucket = aws_s3_bucket.checkpoints.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "checkpoints" {
  bucket = aws_s3_bucket.checkpoints.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.key_arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "checkpoints" {
  bucket                  = aws_s3_bucket.checkpoints.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "checkpoints" {
  bucket = aws_s3_bucket.checkpoints.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_logging" "checkpoints" {
  bucket        = aws_s3_bucket.checkpoints.id
  target_bucket = aws_s3_bucket.logs.id
  target_prefix = "checkpoints/"

  # Without it nothing could be written there.
  depends_on = [aws_s3_bucket_policy.logs]
}

resource "aws_s3_bucket_lifecycle_configuration" "checkpoints" {
  bucket = aws_s3_bucket.checkpoints.id

  rule {
    id     = "cheaper-with-age"
    status = "Enabled"

    filter {}

    transition {
      days          = 90
      storage_class = "GLACIER_IR"
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_policy" "checkpoints" {
  bucket = aws_s3_bucket.checkpoints.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "OnlyOverTls"
          Effect    = "Deny"
          Principal = { AWS = "*" }
          Action    = "s3:*"
          Resource  = [aws_s3_bucket.checkpoints.arn, "${aws_s3_bucket.checkpoints.arn}/*"]
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        },
        {
          Sid       = "NothingIsShortened"
          Effect    = "Deny"
          Principal = { AWS = "*" }
          Action    = ["s3:PutBucketObjectLockConfiguration", "s3:BypassGovernanceRetention", "s3:DeleteObjectVersion"]
          Resource  = [aws_s3_bucket.checkpoints.arn, "${aws_s3_bucket.checkpoints.arn}/*"]
          Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.custodian_arns } }
        },
        merge(
          { Sid = "NobodyElseWrites", Effect = "Deny", Principal = { AWS = "*" }, Action = ["s3:PutObject"], Resource = "${aws_s3_bucket.checkpoints.arn}/*" },
          length(var.writer_arns) == 0 ? {} : { Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.writer_arns } } },
        ),
      ],
    )
  })

  # Terraform sets the lock before the policy forbids to change it.
  depends_on = [aws_s3_bucket_public_access_block.checkpoints, aws_s3_bucket_object_lock_configuration.checkpoints]
}
