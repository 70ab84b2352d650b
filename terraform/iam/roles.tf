# A role per process kind, for EC2 machines alone, and one for the tools: `counterfoil migrate` and the like, run by a person.
# The ARNs are known before the roles exist, because key and secret policies name them.

locals {
  kinds = toset(concat(keys(var.processes), ["tools"]))
}

resource "aws_iam_role" "process" {
  for_each = local.kinds

  name                 = "${var.name}-${each.value}"
  description          = each.value == "tools" ? "Migrations and other commands that a person runs" : "Machines that run ${each.value}"
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_instance_profile" "process" {
  for_each = local.kinds

  name = "${var.name}-${each.value}"
  role = aws_iam_role.process[each.value].name
}
