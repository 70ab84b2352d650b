terraform {
  # 1.9: validations that compare variables; 1.11: write-only arguments.
  required_version = ">= 1.11, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }

  # The state names every resource. Give the bucket at init, so that no account stands in this file:
  # terraform init -backend-config=backend.hcl (README.md, "First deploy")
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = merge(var.tags, {
      Application = local.name
      Environment = var.environment
      ManagedBy   = "terraform"
    })
  }
}
