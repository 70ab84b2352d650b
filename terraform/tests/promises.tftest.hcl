# What an engineer of AWS would ask of this configuration, each promise by itself, with a provider that answers without AWS.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }

  mock_data "aws_ssm_parameter" {
    defaults = { value = "ami-0123456789abcdef0" }
  }

  mock_data "aws_ecr_image" {
    defaults = { image_tags = ["first", "second"] }
  }

  mock_resource "aws_prometheus_workspace" {
    defaults = { arn = "arn:aws:aps:eu-central-1:123456789012:workspace/ws-1", prometheus_endpoint = "https://metrics.example/" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:counterfoil-alarms" }
  }
}

variables {
  region             = "eu-central-1"
  network            = "nile"
  tron_node_urls     = ["https://one.example"]
  tron_node_cidrs    = ["198.51.100.0/24"]
  certificate_arn    = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  database_ca_file   = "tests/authority.pem"
  key_custodian_arns = ["arn:aws:iam::123456789012:role/custodian"]
  key_approver_arns  = ["arn:aws:iam::123456789012:role/approver"]
}

# Each tag of an image that runs has a rule of its own, before the one that takes the oldest of all.
run "an_image_that_runs_never_expires" {
  command = plan

  variables {
    image_digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
    ami_id       = "ami-0123456789abcdef0"
  }

  assert {
    condition = [for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : rule.selection.tagPatternList] == [
      ["first"], ["second"], ["sha256-0000000000000000000000000000000000000000000000000000000000000000*"], ["*"],
    ]
    error_message = "What runs is kept by a rule of its own; the rest is counted."
  }
}

run "an_image_without_a_tag_is_not_run" {
  command = plan

  variables {
    image_digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
    ami_id       = "ami-0123456789abcdef0"
  }

  override_data {
    target = data.aws_ecr_image.running
    values = { image_tags = [] }
  }

  expect_failures = [data.aws_ecr_image.running]
}

run "machines_have_an_image_by_name" {
  command = plan

  variables {
    image_digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
  }

  expect_failures = [var.ami_id]
}

run "another_key_for_a_wallet" {
  command = plan

  variables {
    further_wallet_keys = { hot = ["hot-2"] }
  }

  assert {
    condition     = local.wallet_of == { hot = "hot", gas = "gas", "hot-2" = "hot" } && length(local.signers["hot-2"]) == length(local.signers["hot"]) && length(local.knowers["hot-2"]) == length(local.knowers["hot"])
    error_message = "Whoever signs for the wallet signs with the key that takes over."
  }
}

run "a_key_that_is_no_wallet_s" {
  command = plan

  variables {
    further_wallet_keys = { cold = ["cold-2"], gas = ["hot-3"] }
  }

  expect_failures = [var.further_wallet_keys]
}

# Whoever takes over a signer reaches the nodes, the database and AWS' services, and nothing else.
run "signers_reach_their_nodes" {
  command = plan

  module {
    source = "./network"
  }

  variables {
    name            = "counterfoil"
    partition       = "aws"
    account_id      = "123456789012"
    cidr            = "10.40.0.0/18"
    zones           = ["eu-central-1a", "eu-central-1b"]
    nat             = "each"
    processes       = jsondecode(file("platform.json")).processes
    client_cidrs    = ["0.0.0.0/0"]
    tron_node_cidrs = ["198.51.100.0/24"]
    tron_node_ports = [443, 8090]
    tron_node_lists = ["pl-0123456789abcdef0"]
    webhook_ports   = [443]
    http_port       = 8080
    log_key_arn     = "arn:aws:kms:eu-central-1:123456789012:key/logs"
    log_days        = 365
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_egress_rule.nodes : rule.cidr_ipv4]) == toset(["198.51.100.0/24"])
    error_message = "The way out to nodes is the nodes' addresses."
  }

  assert {
    condition     = alltrue([for name, rule in aws_vpc_security_group_egress_rule.webhooks : startswith(name, "webhooks-")])
    error_message = "Only the process that posts webhooks may go anywhere."
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.node_lists) == 2 * length(local.reaching.nodes)
    error_message = "A provider without fixed addresses is reached by its list, at each port."
  }

  assert {
    condition     = contains(local.reaching.nodes, "tools")
    error_message = "Commands on the tools machine ask the nodes as well."
  }

  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.operators) == ["api"] && keys(aws_vpc_security_group_egress_rule.operators) == ["api"]
    error_message = "From the tools machine an operator reaches the API, without the public address."
  }

  assert {
    condition     = length(setintersection(keys(aws_vpc_endpoint.interface), ["monitoring", "sts"])) == 0
    error_message = "No endpoint is paid for that nobody asks."
  }
}

# A node's port that is not 443 is open towards the nodes alone, in the ACL as well.
run "an_acl_names_the_nodes" {
  command = plan

  module {
    source = "./network"
  }

  variables {
    name            = "counterfoil"
    partition       = "aws"
    account_id      = "123456789012"
    cidr            = "10.40.0.0/18"
    zones           = ["eu-central-1a", "eu-central-1b"]
    nat             = "each"
    processes       = jsondecode(file("platform.json")).processes
    client_cidrs    = ["0.0.0.0/0"]
    tron_node_cidrs = ["198.51.100.0/24"]
    tron_node_ports = [8090]
    tron_node_lists = []
    webhook_ports   = [443]
    http_port       = 8080
    log_key_arn     = "arn:aws:kms:eu-central-1:123456789012:key/logs"
    log_days        = 365
  }

  assert {
    condition     = keys(aws_network_acl_rule.signers_ask) == ["443"] && [for rule in aws_network_acl_rule.signers_ask_nodes : "${rule.cidr_block} ${rule.from_port}"] == ["198.51.100.0/24 8090"]
    error_message = "Everywhere: 443, for AWS' services; to the nodes: their port."
  }
}

# What touches a key wakes somebody, and so does a signature that was refused, which to CloudTrail is an event that only reads.
run "keys_are_watched" {
  command = plan

  module {
    source = "./observability"
  }

  variables {
    name                    = "counterfoil"
    partition               = "aws"
    account_id              = "123456789012"
    processes               = { api = { machines_min = 1 } }
    log_days                = 365
    log_key_arn             = "arn:aws:kms:eu-central-1:123456789012:key/logs"
    data_key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/data"
    alarm_emails            = []
    queue_names             = {}
    dead_letter_names       = {}
    table_names             = {}
    database_identifier     = "counterfoil"
    database_storage_gib    = 100
    balancer_arn_suffix     = "app/counterfoil/1"
    target_group_arn_suffix = "targetgroup/api/1"
    group_names             = { api = "counterfoil-api" }
    running                 = ["api"]
    signer_profiles         = ["arn:aws:iam::123456789012:instance-profile/counterfoil-payouts"]
    key_arns                = ["arn:aws:kms:eu-central-1:123456789012:key/hot"]
    grafana                 = false
    sampling_rate           = 0.05
  }

  assert {
    condition     = aws_cloudwatch_event_rule.refused.state == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    error_message = "EventBridge passes read-only events on in this state alone, and Sign is one."
  }

  assert {
    condition = length(setsubtract([
      "CreateGrant", "PutKeyPolicy", "ScheduleKeyDeletion", "DisableKey", "ReplicateKey", "ImportKeyMaterial", "UpdateAlias",
    ], jsondecode(aws_cloudwatch_event_rule.keys.event_pattern).detail.eventName)) == 0
    error_message = "Every way to open, copy, bend or end a key rings."
  }

  assert {
    condition     = alltrue([for rule in [aws_cloudwatch_event_rule.keys, aws_cloudwatch_event_rule.refused, aws_cloudwatch_event_rule.by_hand] : contains(local.rule_arns, "arn:aws:events:eu-central-1:123456789012:rule/${rule.name}")])
    error_message = "Each rule may write to the topic."
  }

  assert {
    condition = anytrue([
      for statement in jsondecode(aws_sns_topic_policy.alarms.policy).Statement :
      statement.Principal.Service == "aps.amazonaws.com" && toset(flatten([statement.Action])) == toset(["sns:Publish", "sns:GetTopicAttributes"])
    ])
    error_message = "Prometheus' alert manager asks what the topic is before it sends."
  }
}

# What a client writes into a body refuses no request; an operator's key from the internet does.
run "the_firewall_counts_bodies" {
  command = plan

  module {
    source = "./balancer"
  }

  variables {
    name                = "counterfoil"
    vpc_id              = "vpc-1"
    subnet_ids          = ["subnet-1", "subnet-2"]
    security_group_id   = "sg-1"
    logs_bucket         = "logs"
    log_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/logs"
    log_days            = 365
    http_port           = 8080
    requests_max        = 10000
    operator_cidrs      = []
    blocked_countries   = []
    deletion_protection = true
  }

  assert {
    condition = alltrue(flatten([
      for rule in aws_wafv2_web_acl.this.rule : [
        for group in rule.statement[0].managed_rule_group_statement : [
          for name in lookup(local.body_rules, group.name, []) : contains([for each in group.rule_action_override : each.name if length(each.action_to_use[0].count) == 1], name)
        ]
      ]
    ]))
    error_message = "Rules about bodies are counted."
  }

  assert {
    condition     = length([for rule in aws_wafv2_web_acl.this.rule : rule if rule.name == "operators" && try(length(rule.action[0].block), 0) == 1]) == 1 && length(aws_wafv2_ip_set.operators.addresses) == 0
    error_message = "An operator's key is taken at the public address from nowhere, unless somebody says so."
  }
}

# No list of regions stands here: one that AWS opens tomorrow is planned like any other.
run "a_region_that_is_new" {
  command = plan

  variables {
    region = "xx-newest-7"
  }

  assert {
    condition     = output.settings["AWS_REGION"] == "xx-newest-7"
    error_message = "The region is what was said."
  }
}

run "what_the_tools_write_is_there_afterwards" {
  command = plan

  module {
    source = "./compute"
  }

  variables {
    name               = "counterfoil"
    processes          = {}
    queue_names        = {}
    environment        = {}
    signer_environment = {}
    database_ca        = "-----BEGIN CERTIFICATE-----"
    images             = { tools = "image@sha256:1" }
    collector_image    = ""
    remote_write_url   = "https://metrics.example"
    metrics_port       = 8080
    ami_id             = "ami-0123456789abcdef0"
    instance_types     = { default = "t3.small" }
    machines           = {}
    subnet_ids         = { processes = ["subnet-1", "subnet-2"], signers = ["subnet-3", "subnet-4"] }
    security_group_ids = { tools = "sg-tools" }
    instance_profiles  = { tools = "tools" }
    log_group_names    = { tools = "tools" }
    target_group_arns  = []
    queue_age_s        = 10
    lag_s              = 60
  }

  assert {
    condition     = strcontains(local.scripts["tools"], "--volume /srv/counterfoil:/data --workdir /data") && tobool(aws_launch_template.this["tools"].block_device_mappings[0].ebs[0].encrypted)
    error_message = "Bundles and exports lie on the machine's encrypted disk."
  }
}

run "a_database_has_one_way_in" {
  command = plan

  module {
    source = "./database"
  }

  variables {
    name                = "counterfoil"
    partition           = "aws"
    account_id          = "123456789012"
    subnet_ids          = ["subnet-1", "subnet-2"]
    security_group_id   = "sg-1"
    key_arn             = "arn:aws:kms:eu-central-1:123456789012:key/data"
    secret_key_arn      = "arn:aws:kms:eu-central-1:123456789012:key/secrets"
    engine_version      = "17"
    instance_class      = "db.m7g.large"
    storage_gib         = 100
    storage_gib_max     = 1000
    backup_days         = 35
    deletion_protection = true
  }

  assert {
    condition     = aws_db_instance.this.iam_database_authentication_enabled == false
    error_message = "Logins are passwords of Secrets Manager; nobody comes in by IAM."
  }
}
