# The tables as the program names them, with their keys and indexes. The program writes `ttl`: 24 hours for idempotency keys,
# 30 days for webhook events, 90 days for audit entries. DynamoDB wants to know only attributes that are keys; all are strings.

resource "aws_dynamodb_table" "this" {
  for_each = var.tables

  name                        = "${var.prefix}${each.value.name}"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = each.value.hash_key
  range_key                   = each.value.range_key
  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = toset(compact(concat(
      [each.value.hash_key, each.value.range_key],
      flatten([for index in each.value.indexes : [index.hash_key, index.range_key]]),
    )))

    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "global_secondary_index" {
    for_each = { for index in each.value.indexes : index.name => index }

    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.value.hash_key
      range_key       = global_secondary_index.value.range_key
      projection_type = "KEYS_ONLY"
    }
  }

  ttl {
    attribute_name = each.value.ttl
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.key_arn
  }
}
