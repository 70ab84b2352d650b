# What each role may do, composed from platform.json: nothing stands here that a process does not name there. Wallet keys are not
# here at all. Their own policies name who signs, so that no change in this file can add a signer.

locals {
  # What every machine needs to run a container and to be watched.
  machine = [
    {
      Sid      = "Login"
      Effect   = "Allow"
      Action   = ["ecr:GetAuthorizationToken"]
      Resource = ["*"]
    },
    {
      Sid      = "Image"
      Effect   = "Allow"
      Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
      Resource = var.repository_arns
    },
    {
      # Which requests are traced is decided in the process (TRACE_SAMPLING); the collector only passes them on.
      Sid      = "Traces"
      Effect   = "Allow"
      Action   = ["xray:PutTraceSegments"]
      Resource = ["*"]
    },
    {
      Sid      = "Prometheus"
      Effect   = "Allow"
      Action   = ["aps:RemoteWrite"]
      Resource = [var.metrics_workspace_arn]
    },
  ]

  # A tools machine is entered by people. No other machine is: whoever sits on a signer's is the signer.
  sessions = [{
    Sid    = "Sessions"
    Effect = "Allow"
    Action = [
      "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
    ]
    Resource = ["*"]
  }]

  logs = {
    for kind in local.kinds : kind => [{
      Sid      = "OwnLog"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["${var.log_group_arns[kind]}:*"]
    }]
  }

  # A machine of a group without a balancer says when its process goes on, of its own group and nothing else.
  begun = {
    for kind in local.kinds : kind => [{
      Sid      = "Begun"
      Effect   = "Allow"
      Action   = ["autoscaling:CompleteLifecycleAction"]
      Resource = ["arn:${var.partition}:autoscaling:${var.region}:${var.account_id}:autoScalingGroup:*:autoScalingGroupName/${var.name}-${kind}"]
    }] if kind != "tools" && !try(var.processes[kind].serves, true)
  }

  sends = {
    for name, process in var.processes : name => length(process.sends) == 0 ? [] : [{
      Sid      = "Sends"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage", "sqs:GetQueueUrl"]
      Resource = [for queue in process.sends : var.queue_arns[queue]]
    }]
  }

  receives = {
    for name, process in var.processes : name => length(process.receives) == 0 ? [] : [
      {
        Sid    = "Receives"
        Effect = "Allow"
        Action = [
          "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueUrl", "sqs:GetQueueAttributes",
        ]
        Resource = [for queue in process.receives : var.queue_arns[queue]]
      },
      {
        Sid      = "Buries"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"]
        Resource = [for queue in process.receives : var.dead_letter_arns[queue]]
      },
    ]
  }

  # Each table with the actions that the process asks for there, as its own file says them. audit_logs is written and read, never
  # changed: an entry is three items in one call, and the right to that call has no finer form that leaves deletions out;
  # point-in-time recovery has what was there. signer_state is changed by condition, and never deleted.
  tables = {
    for name, process in var.processes : name => concat(
      [for table, actions in process.tables : {
        Sid      = "Table${replace(title(replace(table, "_", " ")), " ", "")}"
        Effect   = "Allow"
        Action   = [for action in actions : "dynamodb:${action}"]
        Resource = concat([var.table_arns[table]], contains(actions, "Query") && table != "audit_logs" ? ["${var.table_arns[table]}/index/*"] : [])
      }],
      process.audits ? [{
        Sid      = "Audits"
        Effect   = "Allow"
        Action   = ["dynamodb:BatchWriteItem"]
        Resource = [var.table_arns["audit_logs"]]
      }] : [],
      length(process.tables) > 0 || process.audits ? [{
        Sid       = "TablesKey"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:DescribeKey"]
        Resource  = [var.key_arns["data"]]
        Condition = { StringEquals = { "kms:ViaService" = "dynamodb.${var.region}.amazonaws.com" } }
      }] : [],
    )
  }

  secrets = {
    for name, process in var.processes : name => [
      {
        Sid      = "Secrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [for secret in process.secrets : var.secret_arns[secret]]
      },
      {
        Sid       = "SecretsKey"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = [var.key_arns["secrets"]]
        Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } }
      },
    ]
  }

  # Nothing here lets anybody replace what stands in the archive: the bucket's lock does not either.
  archives = {
    for name, process in var.processes : name => [for statement in [
      {
        Sid      = "Archives"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:GetObject", "s3:ListBucket"]
        Resource = [var.checkpoints_arn, "${var.checkpoints_arn}/*"]
      },
      {
        Sid       = "ArchiveKey"
        Effect    = "Allow"
        Action    = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource  = [var.key_arns["data"]]
        Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
      },
    ] : statement if process.archives]
  }

  reads_archive = {
    for name, process in var.processes : name => [for statement in [
      {
        Sid      = "ReadsArchive"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:ListBucket"] # without the second, what is not there looks like what is forbidden
        Resource = [var.checkpoints_arn, "${var.checkpoints_arn}/*"]
      },
      {
        Sid       = "ReadsArchiveKey"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = [var.key_arns["data"]]
        Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
      },
    ] : statement if process.reads_archive]
  }

  # PAYIN_KEYS=kms: a key for each deposit address, known by its alias, made by one process and used by another, and for nothing else.
  makes_payin_keys = {
    for name, process in var.processes : name => [for statement in [
      {
        Sid       = "MakesPayinKeys"
        Effect    = "Allow"
        Action    = ["kms:CreateKey"]
        Resource  = ["*"]
        Condition = { StringEquals = { "kms:KeySpec" = "ECC_SECG_P256K1", "kms:KeyUsage" = "SIGN_VERIFY" } }
      },
      {
        # By this tag a key is found that was made and has no alias yet; nothing else may be written as a tag.
        Sid      = "TagsPayinKeys"
        Effect   = "Allow"
        Action   = ["kms:TagResource"]
        Resource = ["arn:${var.partition}:kms:${var.region}:${var.account_id}:key/*"]
        Condition = {
          StringEquals                = { "aws:RequestTag/counterfoil" = "${var.prefix}payin" }
          "ForAllValues:StringEquals" = { "aws:TagKeys" = ["counterfoil"] }
        }
      },
      {
        Sid      = "FindsPayinKeys"
        Effect   = "Allow"
        Action   = ["kms:ListAliases", "kms:ListKeys"]
        Resource = ["*"]
      },
      {
        Sid      = "KnowsPayinKeysByTheirTag"
        Effect   = "Allow"
        Action   = ["kms:ListResourceTags", "kms:DescribeKey"]
        Resource = ["arn:${var.partition}:kms:${var.region}:${var.account_id}:key/*"]
      },
      {
        Sid      = "NamesPayinKeys"
        Effect   = "Allow"
        Action   = ["kms:CreateAlias"]
        Resource = ["arn:${var.partition}:kms:${var.region}:${var.account_id}:alias/${var.prefix}counterfoil-payin-*"]
      },
      {
        # The key is new and has no alias yet; wallet keys refuse this by their own policies.
        Sid      = "NamesNewKeys"
        Effect   = "Allow"
        Action   = ["kms:CreateAlias", "kms:GetPublicKey"]
        Resource = ["arn:${var.partition}:kms:${var.region}:${var.account_id}:key/*"]
      },
    ] : statement if process.payin_keys == "makes" && var.payin_keys == "kms"]
  }

  signs_with_payin_keys = {
    for name, process in var.processes : name => [for statement in [
      {
        Sid       = "UsesPayinKeys"
        Effect    = "Allow"
        Action    = ["kms:Sign", "kms:GetPublicKey"]
        Resource  = ["arn:${var.partition}:kms:${var.region}:${var.account_id}:key/*"]
        Condition = { "ForAnyValue:StringLike" = { "kms:ResourceAliases" = "alias/${var.prefix}counterfoil-payin-*" } }
      },
    ] : statement if process.payin_keys == "signs" && var.payin_keys == "kms"]
  }

  tools = concat(local.machine, local.sessions, local.logs["tools"], [
    {
      Sid      = "FillsSecrets"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
      Resource = values(var.secret_arns)
    },
    {
      Sid      = "OwnsTheDatabase"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = [var.owner_secret_arn]
    },
    {
      Sid       = "SecretsKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = [var.key_arns["secrets"]]
      Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } }
    },
    {
      Sid    = "LooksIntoDeadLetters"
      Effect = "Allow"
      Action = [
        "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueUrl", "sqs:GetQueueAttributes",
      ]
      Resource = values(var.dead_letter_arns)
    },
    {
      Sid      = "WidensQueues"
      Effect   = "Allow"
      Action   = ["sqs:SetQueueAttributes"]
      Resource = concat(values(var.queue_arns), values(var.dead_letter_arns))
    },
    {
      Sid      = "SendsThemAgain"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"]
      Resource = values(var.queue_arns)
    },
    {
      Sid      = "Audits"
      Effect   = "Allow"
      Action   = ["dynamodb:BatchWriteItem"]
      Resource = [var.table_arns["audit_logs"]]
    },
    {
      # Commands that show or send webhooks: `counterfoil alarms list`, `counterfoil webhooks list`.
      Sid      = "Webhooks"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      Resource = [var.table_arns["webhook_events"], "${var.table_arns["webhook_events"]}/index/*"]
    },
    {
      # `counterfoil keys list`, and its like.
      Sid      = "Keys"
      Effect   = "Allow"
      Action   = ["dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      Resource = [var.table_arns["api_keys"], "${var.table_arns["api_keys"]}/index/*"]
    },
    {
      # `counterfoil audit-log`.
      Sid      = "ReadsAudit"
      Effect   = "Allow"
      Action   = ["dynamodb:Query"]
      Resource = [var.table_arns["audit_logs"]]
    },
    {
      # `counterfoil restore declare`: the high-water mark is of the restored history then. No other item of the signers'.
      Sid       = "DeclaresRestores"
      Effect    = "Allow"
      Action    = ["dynamodb:GetItem", "dynamodb:PutItem"]
      Resource  = [var.table_arns["signer_state"]]
      Condition = { "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = ["high-water"] } }
    },
    {
      Sid      = "ReadsCheckpoints"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:ListBucket"]
      Resource = [var.checkpoints_arn, "${var.checkpoints_arn}/*"]
    },
    {
      Sid       = "DataKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:DescribeKey"]
      Resource  = [var.key_arns["data"]]
      Condition = { StringEquals = { "kms:ViaService" = ["dynamodb.${var.region}.amazonaws.com", "s3.${var.region}.amazonaws.com"] } }
    },
  ])
}

resource "aws_iam_role_policy" "process" {
  for_each = var.processes

  name = "process"
  role = aws_iam_role.process[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      local.machine,
      local.logs[each.key],
      lookup(local.begun, each.key, []),
      local.sends[each.key],
      local.receives[each.key],
      local.tables[each.key],
      local.secrets[each.key],
      local.archives[each.key],
      local.reads_archive[each.key],
      local.makes_payin_keys[each.key],
      local.signs_with_payin_keys[each.key],
    )
  })
}

resource "aws_iam_role_policy" "tools" {
  name   = "tools"
  role   = aws_iam_role.process["tools"].id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.tools })
}
