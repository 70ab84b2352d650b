# Workflows of one repository come in with GitHub's own token, for minutes, without a stored key. Two doors: main pushes
# images, and what the environment "terraform-plan" lets through (its reviewers decide) reads what a plan needs. Nothing applies from
# there: keys and policies are changed by people.

locals {
  github = var.github_repository == "" ? {} : {
    image = "repo:${var.github_repository}:ref:refs/heads/main"
    plan  = "repo:${var.github_repository}:environment:terraform-plan"
  }
  github_provider_arn = var.github_provider_arn != "" ? var.github_provider_arn : one(aws_iam_openid_connect_provider.github[*].arn)
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.github_repository == "" || var.github_provider_arn != "" ? 0 : 1

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "github" {
  for_each = local.github

  name                 = "${var.name}-github-${each.key}"
  description          = "Workflows of ${var.github_repository}: ${each.key}"
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = local.github_provider_arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = each.value
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "github_image" {
  count = var.github_repository == "" ? 0 : 1

  name = "push"
  role = aws_iam_role.github["image"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Login"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = ["*"]
      },
      {
        Sid    = "Push"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
          "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = [var.repository_arns[0]]
      },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "github_plan" {
  count = var.github_repository == "" ? 0 : 1

  role       = aws_iam_role.github["plan"].name
  policy_arn = "arn:${var.partition}:iam::aws:policy/ReadOnlyAccess"
}

# ReadOnlyAccess reads data as well as descriptions. A plan needs descriptions, and its own state.
resource "aws_iam_role_policy" "github_plan" {
  count = var.github_repository == "" ? 0 : 1

  name = "descriptions-only"
  role = aws_iam_role.github["plan"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "NoData"
        Effect = "Deny"
        Action = [
          "secretsmanager:GetSecretValue", "kms:Decrypt", "kms:Sign",
          "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:PartiQLSelect",
          "dynamodb:GetRecords", "sqs:ReceiveMessage", "logs:GetLogEvents", "logs:FilterLogEvents", "logs:StartQuery",
          "logs:GetQueryResults", "logs:StartLiveTail", "logs:Unmask", "rds:DownloadDBLogFilePortion",
          "rds:DownloadCompleteDBLogFile", "aps:QueryMetrics", "xray:BatchGetTraces", "ssm:GetParameterHistory",
        ]
        Resource = ["*"]
      },
      {
        Sid         = "NoObjectsButTheState"
        Effect      = "Deny"
        Action      = ["s3:GetObject", "s3:GetObjectVersion"]
        NotResource = [var.state_arn == "" ? "arn:${var.partition}:s3:::none/none" : var.state_arn]
      },
    ]
  })
}
