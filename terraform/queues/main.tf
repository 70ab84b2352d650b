# A FIFO queue and its dead letters for each name. Groups are in order and independent of each other, so throughput is
# counted per group. Queues are hints (I11): what they lose, the history and the chain still have.

locals {
  common = {
    retention_s  = tonumber(var.attributes["MessageRetentionPeriod"])
    visibility_s = tonumber(var.attributes["VisibilityTimeout"])
    scope        = var.attributes["DeduplicationScope"]
    throughput   = var.attributes["FifoThroughputLimit"]
    by_content   = var.attributes["ContentBasedDeduplication"] == "true"
    encrypted    = var.attributes["SqsManagedSseEnabled"] == "true"
    # SQS takes 1 MiB; this version of the provider refuses more than 256 KiB. `counterfoil migrate` widens the queues before any
    # process may start, and what it set is left alone.
    message_bytes_max = min(262144, tonumber(var.attributes["MaximumMessageSize"]))
  }
}

resource "aws_sqs_queue" "dead_letters" {
  for_each = var.queues

  name                        = "${var.prefix}${each.value.dead_letters}"
  fifo_queue                  = true
  content_based_deduplication = local.common.by_content
  deduplication_scope         = local.common.scope
  fifo_throughput_limit       = local.common.throughput
  message_retention_seconds   = local.common.retention_s
  max_message_size            = local.common.message_bytes_max
  visibility_timeout_seconds  = local.common.visibility_s
  sqs_managed_sse_enabled     = local.common.encrypted

  lifecycle { ignore_changes = [max_message_size] }
}

resource "aws_sqs_queue" "this" {
  for_each = var.queues

  name                        = "${var.prefix}${each.value.name}"
  fifo_queue                  = true
  content_based_deduplication = local.common.by_content
  deduplication_scope         = local.common.scope
  fifo_throughput_limit       = local.common.throughput
  message_retention_seconds   = local.common.retention_s
  max_message_size            = local.common.message_bytes_max
  visibility_timeout_seconds  = local.common.visibility_s
  receive_wait_time_seconds   = 20
  sqs_managed_sse_enabled     = local.common.encrypted

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters[each.key].arn
    maxReceiveCount     = tonumber(var.attributes["maxReceiveCount"])
  })

  lifecycle { ignore_changes = [max_message_size] }
}

resource "aws_sqs_queue_redrive_allow_policy" "this" {
  for_each = var.queues

  queue_url = aws_sqs_queue.dead_letters[each.key].id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.this[each.key].arn]
  })
}

# Who may use a queue stands in the roles' policies; nobody may without TLS.
resource "aws_sqs_queue_policy" "tls" {
  for_each = merge(
    { for name in keys(var.queues) : name => aws_sqs_queue.this[name] },
    { for name in keys(var.queues) : "${name}-dead" => aws_sqs_queue.dead_letters[name] },
  )

  queue_url = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyOverTls"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "sqs:*"
      Resource  = each.value.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
