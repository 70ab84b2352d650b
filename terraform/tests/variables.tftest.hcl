# Plans with a provider that answers by itself: no AWS, no network. What is given in variables changes what it should, and what makes
# no sense is refused in a sentence.

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
    defaults = { image_tags = ["first"] }
  }
}

variables {
  region             = "eu-central-1"
  network            = "mainnet"
  signer_settings    = { SIGNER_PAYOUT_MAX = "5000", SIGNER_HOUR_MAX = "20000", SIGNER_DAY_MAX = "unlimited", SIGNER_COLD_ADDRESS = "none" }
  tron_node_urls     = ["https://one.example", "https://two.example"]
  tron_node_cidrs    = ["198.51.100.0/24"]
  certificate_arn    = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  database_ca_file   = "tests/authority.pem"
  key_custodian_arns = ["arn:aws:iam::123456789012:role/custodian"]
  key_approver_arns  = ["arn:aws:iam::123456789012:role/approver"]
}

run "defaults" {
  command = plan

  assert {
    condition     = toset(keys(local.processes)) == toset([for name in keys(module.compute.group_names) : name if name != "tools"])
    error_message = "Every process has a machine group, and there is no other group but the tools'."
  }

  assert {
    condition     = length(local.zones) == 2 && length(module.network.nat_addresses) == 2
    error_message = "Two zones by default, each with a way out."
  }

  assert {
    condition     = alltrue([for name, value in output.settings : !can(regex("(?i)(password|passphrase|secret)$", name)) || name == "COUNTERFOIL_DATABASE_OWNER_SECRET"])
    error_message = "No secret is given to machines in their environment."
  }

  assert {
    condition     = contains(keys(output.settings), "COUNTERFOIL_OTLP_ENDPOINT")
    error_message = "The collector runs unless somebody wants none."
  }

  assert {
    condition     = length(output.github_role_arns) == 0 && output.grafana_url == ""
    error_message = "Workflows and Grafana get nothing until they are asked for."
  }
}

run "no_machine_without_an_image" {
  command = plan

  module {
    source = "./compute"
  }

  variables {
    name               = "counterfoil"
    processes          = jsondecode(file("platform.json")).processes
    queue_names        = { for name, queue in jsondecode(file("platform.json")).queues : name => queue.name }
    environment        = {}
    signer_environment = { COUNTERFOIL_SIGNER_DAY_MAX = "100000" }
    database_ca        = "-----BEGIN CERTIFICATE-----"
    images             = { for name in concat(keys(jsondecode(file("platform.json")).processes), ["tools"]) : name => "" }
    collector_image    = ""
    remote_write_url   = "https://metrics.example"
    metrics_port       = 8080
    ami_id             = "ami-0123456789abcdef0"
    instance_types     = { default = "t3.small" }
    machines           = {}
    subnet_ids         = { processes = ["subnet-1", "subnet-2"], signers = ["subnet-3", "subnet-4"] }
    security_group_ids = { for name in concat(keys(jsondecode(file("platform.json")).processes), ["tools"]) : name => "sg-${name}" }
    instance_profiles  = { for name in concat(keys(jsondecode(file("platform.json")).processes), ["tools"]) : name => name }
    log_group_names    = { for name in concat(keys(jsondecode(file("platform.json")).processes), ["tools"]) : name => name }
    target_group_arns  = ["arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/api/1"]
    queue_age_s        = 10
    lag_s              = 60
  }

  assert {
    condition     = alltrue([for group in aws_autoscaling_group.this : group.min_size == 0 && group.max_size == 0])
    error_message = "Before an image is pushed there is nothing to run."
  }

  assert {
    condition     = alltrue([for name, group in aws_autoscaling_group.this : (length(group.target_group_arns) > 0) == (name == "api")])
    error_message = "The balancer asks the API and nobody else."
  }
}

# An upgrade goes group by group, tools first; each group is taken back by itself when its process rings, and a machine counts once
# its process goes on.
run "an_upgrade_goes_group_by_group" {
  command = plan

  module {
    source = "./compute"
  }

  variables {
    name               = "counterfoil"
    processes          = jsondecode(file("platform.json")).processes
    queue_names        = { for name, queue in jsondecode(file("platform.json")).queues : name => queue.name }
    environment        = {}
    signer_environment = {}
    database_ca        = "-----BEGIN CERTIFICATE-----"
    images             = { for name in concat(keys(jsondecode(file("platform.json")).processes), ["tools"]) : name => name == "tools" ? "image@sha256:2" : "image@sha256:1" }
    collector_image    = ""
    remote_write_url   = "https://metrics.example"
    metrics_port       = 8080
    ami_id             = "ami-0123456789abcdef0"
    instance_types     = { default = "t3.small" }
    machines           = {}
    subnet_ids         = { processes = ["subnet-1", "subnet-2"], signers = ["subnet-3", "subnet-4"] }
    security_group_ids = { for name in concat(keys(jsondecode(file("platform.json")).processes), ["tools"]) : name => "sg-${name}" }
    instance_profiles  = { for name in concat(keys(jsondecode(file("platform.json")).processes), ["tools"]) : name => name }
    log_group_names    = { for name in concat(keys(jsondecode(file("platform.json")).processes), ["tools"]) : name => name }
    target_group_arns  = ["arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/api/1"]
    queue_age_s        = 10
    lag_s              = 60
  }

  assert {
    condition = alltrue([
      for name, group in aws_autoscaling_group.this :
      group.instance_refresh[0].preferences[0].auto_rollback && (name == "tools" ? length(group.instance_refresh[0].preferences[0].alarm_specification) == 0 : group.instance_refresh[0].preferences[0].alarm_specification[0].alarms == tolist(["counterfoil-process-${name}"]))
    ])
    error_message = "Each group goes back by itself when its own process rings."
  }

  assert {
    condition     = alltrue([for name, group in aws_autoscaling_group.this : (group.health_check_type == "ELB") == (name == "api")])
    error_message = "Where a balancer asks the program, the group believes it."
  }

  assert {
    condition     = toset(keys(aws_autoscaling_lifecycle_hook.begun)) == toset([for name in keys(var.processes) : name if name != "api"])
    error_message = "Elsewhere a machine counts when its process has said that it goes on."
  }

  assert {
    condition = alltrue([
      for name, template in aws_launch_template.this : strcontains(local.scripts[name], name == "tools" ? "image@sha256:2" : "image@sha256:1") && !strcontains(local.scripts[name], name == "tools" ? "image@sha256:1" : "image@sha256:2")
    ])
    error_message = "The tools may be of a newer version than the rest."
  }

  assert {
    condition     = alltrue([for name, script in local.scripts : name == "tools" || (strcontains(script, "RestartMaxDelaySec=120") && !strcontains(script, "ExecStartPre=/usr/bin/docker pull"))])
    error_message = "Who ends waits longer each time, and what is there is not fetched again."
  }
}

run "a_digest_belongs_to_a_process" {
  command = plan

  variables {
    image_digests = { nobody = "sha256:0000000000000000000000000000000000000000000000000000000000000000" }
  }

  expect_failures = [var.image_digests]
}

run "one_way_out" {
  command = plan

  variables {
    nat   = "one"
    zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  }

  assert {
    condition     = length(module.network.nat_addresses) == 1 && length(module.network.subnet_ids["signers"]) == 3
    error_message = "Three zones and one NAT gateway."
  }
}

run "everything_that_can_be_asked_for" {
  command = plan

  variables {
    nat               = "none"
    payin_keys        = "kms"
    collector_version = ""
    github_repository = "example/counterfoil"
    grafana           = true
    ami_id            = "ami-0123456789abcdef0"
    image_digest      = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
    alarm_emails      = ["operators@example.com"]
    blocked_countries = ["KP"]
  }

  assert {
    condition     = output.settings["COUNTERFOIL_PAYIN_KEYS"] == "kms" && !contains(keys(output.settings), "COUNTERFOIL_OTLP_ENDPOINT")
    error_message = "Settings follow the variables."
  }

  assert {
    condition     = toset(keys(output.github_role_arns)) == toset(["image", "plan"])
    error_message = "Workflows get two roles."
  }

  assert {
    condition     = length(module.network.nat_addresses) == 0
    error_message = "Without NAT nothing reaches the internet."
  }
}

# On mainnet one node is not enough; who approves is not who acts; an image is named by its digest; no secret travels among the
# settings; one zone is none; authorities are certificates.
run "what_makes_no_sense_is_refused" {
  command = plan

  variables {
    tron_node_urls    = ["https://one.example"]
    tron_node_cidrs   = ["0.0.0.0/0"]
    operator_cidrs    = ["0.0.0.0/0"]
    collector_version = "latest"
    key_approver_arns = ["arn:aws:iam::123456789012:role/custodian"]
    image_digest      = "latest"
    settings          = { TRON_API_KEY = "of-a-node" }
    signer_settings   = { SIGNER_PAYOUT_MAX = "5000" }
    zones             = ["eu-central-1a"]
    database_ca_file  = "platform.json"
  }

  expect_failures = [
    var.tron_node_urls, var.tron_node_cidrs, var.operator_cidrs, var.collector_version, var.key_approver_arns, var.image_digest, var.settings, var.signer_settings, var.zones, var.database_ca_file,
  ]
}

run "former_queues" {
  command = plan

  assert {
    condition     = contains(keys(local.queues), "project-balances") && contains(local.processes["project"].receives, "project-balances") && contains(local.processes["relay"].sends, "project-balances")
    error_message = "In a roll-out the relay and the projector of the version before find their queues, and may use them."
  }

  assert {
    condition     = !contains(keys(local.alarmed_queues), "project-balances") && contains(keys(local.alarmed_queues), "project-views")
    error_message = "What waits in a queue that nobody asks any more rings for nobody."
  }
}

run "without_former_queues" {
  command = plan

  variables {
    former_queues = false
  }

  assert {
    condition     = toset(keys(local.queues)) == toset(["deposit-events", "payout-requests", "project-views"])
    error_message = "Afterwards there is one queue for all views."
  }

  assert {
    condition     = tolist(local.processes["project"].receives) == tolist(["project-views"]) && tolist(local.processes["relay"].sends) == tolist(["payout-requests", "project-views"])
    error_message = "Nobody may use a queue that is not there."
  }
}

run "traces" {
  command = plan

  variables {
    sampling_rate = 0.25
  }

  assert {
    condition     = output.settings["COUNTERFOIL_TRACE_RATIO"] == "0.25"
    error_message = "The share of traces that is asked for is the one that every process keeps."
  }
}
