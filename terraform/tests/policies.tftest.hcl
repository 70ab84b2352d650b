# Who may do what, read from the plan with a provider that answers by itself: no AWS, no network.

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
  mock_data "aws_elb_service_account" {
    defaults = { arn = "arn:aws:iam::054676820928:root" }
  }
}

variables {
  region             = "eu-central-1"
  tron_node_urls     = ["https://one.example", "https://two.example"]
  tron_node_cidrs    = ["198.51.100.0/24"]
  certificate_arn    = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  key_custodian_arns = ["arn:aws:iam::123456789012:role/custodian"]
  key_approver_arns  = ["arn:aws:iam::123456789012:role/approver"]
  github_repository  = "example/counterfoil"
  image_digest       = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
  alarm_emails       = ["operators@example.com"]
}

run "plan" {
  command = plan

  assert {
    condition     = length(module.compute.group_names) > 0
    error_message = "no groups"
  }
}
