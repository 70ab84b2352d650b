# Where and what

variable "region" {
  description = "The AWS region."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Write a region as AWS does: eu-central-1."
  }
}

variable "prefix" {
  description = "Stands before every name, for a second installation in one account and region; COUNTERFOIL_AWS_PREFIX follows it."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([a-z][a-z0-9-]{0,9}-)?$", var.prefix))
    error_message = "Small letters, digits and hyphens, at most 11, with a hyphen at the end; or nothing."
  }
}

variable "environment" {
  description = "What the tags call this installation."
  type        = string
  default     = "production"
}

variable "tags" {
  description = "Tags of every resource beside Application, Environment and ManagedBy."
  type        = map(string)
  default     = {}
}

variable "deletion_protection" {
  description = "Whether database, tables and balancer refuse to be deleted. Keys and buckets refuse in any case."
  type        = bool
  default     = true
}

# Tron

variable "network" {
  description = "Which Tron network: COUNTERFOIL_NETWORK."
  type        = string
  default     = "nile"

  validation {
    condition     = contains(["nile", "mainnet"], var.network)
    error_message = "nile or mainnet."
  }
}

variable "tron_node_urls" {
  description = "Nodes to read from and broadcast to, the preferred one first: COUNTERFOIL_TRON_NODE_URL. With two or more, two must agree on what is final; three is a good number."
  type        = list(string)

  validation {
    condition     = length(var.tron_node_urls) > 0 && alltrue([for url in var.tron_node_urls : can(regex("^https?://[^/, ]+", url))])
    error_message = "At least one URL, with http:// or https://."
  }

  validation {
    condition     = var.network != "mainnet" || length(distinct(var.tron_node_urls)) >= 2
    error_message = "On mainnet give two nodes or more: what one alone says must not move coins (I14)."
  }
}

variable "tron_node_cidrs" {
  description = "Where those nodes are, and the only way out that signers have. For a provider without addresses of its own: tron_node_prefix_lists."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.tron_node_cidrs : can(cidrnetmask(cidr))])
    error_message = "IPv4 ranges: 10.0.0.0/16."
  }

  validation {
    condition     = alltrue([for cidr in var.tron_node_cidrs : tonumber(try(split("/", cidr)[1], "0")) >= 8])
    error_message = "A range that wide is the internet, and whoever takes over a signer could carry its secrets anywhere: name the nodes' own ranges, or keep those of a provider in a managed prefix list (tron_node_prefix_lists)."
  }

  validation {
    condition     = length(var.tron_node_cidrs) + length(var.tron_node_prefix_lists) > 0
    error_message = "Say where the nodes are: tron_node_cidrs, or tron_node_prefix_lists."
  }
}

variable "tron_node_prefix_lists" {
  description = "Ids of managed prefix lists with the ranges of a provider whose nodes have no fixed addresses; what is entered there counts at once, without an apply."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.tron_node_prefix_lists : can(regex("^pl-[0-9a-f]+$", id))])
    error_message = "Ids of prefix lists: pl-0123456789abcdef0."
  }
}

variable "tron_node_ports" {
  description = "The ports in those URLs."
  type        = list(number)
  default     = [443]

  validation {
    condition     = length(var.tron_node_ports) > 0 && alltrue([for port in var.tron_node_ports : port >= 1 && port <= 65535])
    error_message = "Ports are numbers from 1 to 65535."
  }
}

# Who holds the keys

variable "key_custodian_arns" {
  description = "IAM roles or users that may delete or disable a key or change its policy, with MFA, after an approver has tagged it."
  type        = list(string)

  validation {
    condition     = length(var.key_custodian_arns) > 0 && alltrue([for arn in var.key_custodian_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/", arn))])
    error_message = "At least one ARN of an IAM role or user."
  }
}

variable "key_approver_arns" {
  description = "IAM roles or users that approve what a custodian is about to do, by the tag change-approved = yes. None may be a custodian."
  type        = list(string)

  validation {
    condition     = length(var.key_approver_arns) > 0 && alltrue([for arn in var.key_approver_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/", arn))])
    error_message = "At least one ARN of an IAM role or user."
  }

  validation {
    condition     = length(setintersection(var.key_approver_arns, var.key_custodian_arns)) == 0
    error_message = "Nobody can be custodian and approver: two hands are the point."
  }
}

variable "further_wallet_keys" {
  description = "Wallet -> names of further keys for it: { hot = [\"hot-2\"] } makes alias/counterfoil-hot-2, for `counterfoil wallets rotate hot --kms alias/counterfoil-hot-2`. None is ever taken out again: what comes to an old address later is moved on with its key."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = alltrue([for wallet in keys(var.further_wallet_keys) : contains(keys(local.platform.wallet_keys), wallet)])
    error_message = "Wallets: hot, gas."
  }

  validation {
    condition     = alltrue([for wallet, names in var.further_wallet_keys : alltrue([for name in names : can(regex("^${wallet}-[a-z0-9-]{1,20}$", name))])])
    error_message = "A wallet's name, a hyphen, and small letters and digits: hot-2."
  }
}

variable "payin_keys" {
  description = "Deposit addresses: derived from one wrapped seed, or kms, a key for each. COUNTERFOIL_PAYIN_KEYS."
  type        = string
  default     = "derived"

  validation {
    condition     = contains(["derived", "kms"], var.payin_keys)
    error_message = "derived or kms."
  }
}

# Network

variable "cidr" {
  description = "The VPC's addresses."
  type        = string
  default     = "10.40.0.0/18"

  validation {
    condition     = can(cidrnetmask(var.cidr)) && tonumber(try(split("/", var.cidr)[1], "32")) <= 20
    error_message = "An IPv4 range of a /20 or larger."
  }
}

variable "zones" {
  description = "Availability zones; empty: the region's first two."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.zones) == 0 || (length(distinct(var.zones)) >= 2 && length(var.zones) <= 3)
    error_message = "Two or three zones that differ."
  }
}

variable "nat" {
  description = "The way out to Tron nodes and clients' webhooks: each zone a NAT gateway, one for all, or none (nodes inside the network, no webhooks)."
  type        = string
  default     = "each"

  validation {
    condition     = contains(["each", "one", "none"], var.nat)
    error_message = "each, one or none."
  }
}

variable "client_cidrs" {
  description = "From where clients may call the API."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = alltrue([for cidr in var.client_cidrs : can(cidrnetmask(cidr))])
    error_message = "IPv4 ranges: 203.0.113.0/24."
  }
}

variable "webhook_ports" {
  description = "Ports that webhooks may be delivered to."
  type        = list(number)
  default     = [443]
}

variable "operator_cidrs" {
  description = "From where an operator's key is taken at the public address. None by default: an operator comes in through the tools machine (README.md, \"An operator's way in\")."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.operator_cidrs : can(cidrnetmask(cidr)) && cidr != "0.0.0.0/0"])
    error_message = "IPv4 ranges, and not all of them: 203.0.113.0/24."
  }
}

variable "certificate_arn" {
  description = "The ACM certificate of the API's host name, in this region."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:acm:", var.certificate_arn))
    error_message = "The ARN of a certificate in ACM."
  }
}

variable "requests_max" {
  description = "Requests that one address may make in five minutes; the API limits each key by itself."
  type        = number
  default     = 10000

  validation {
    condition     = var.requests_max >= 100 && var.requests_max <= 2000000000
    error_message = "At least 100."
  }
}

variable "blocked_countries" {
  description = "Two-letter codes of countries whose requests are refused."
  type        = list(string)
  default     = []
}

# Database

variable "postgres_version" {
  description = "Postgres' major version."
  type        = string
  default     = "17"

  validation {
    condition     = contains(["16", "17", "18"], var.postgres_version)
    error_message = "16, 17 or 18."
  }
}

variable "database_ca_file" {
  description = "The region's certificate authorities of RDS, in PEM: what proves to a process that it speaks to the database. https://truststore.pki.rds.amazonaws.com/REGION/REGION-bundle.pem has them."
  type        = string

  validation {
    condition     = can(regex("-----BEGIN CERTIFICATE-----", file(var.database_ca_file)))
    error_message = "A file with certificates in PEM: fetch https://truststore.pki.rds.amazonaws.com/REGION/REGION-bundle.pem."
  }

  validation {
    condition     = try(length(file(var.database_ca_file)), 0) < 20000
    error_message = "The region's bundle, not the one of all regions: it travels in the machines' user data."
  }
}

variable "database_class" {
  description = "The size of each of the database's two machines."
  type        = string
  default     = "db.m7g.large"
}

variable "database_storage_gib" {
  description = "Storage at the start."
  type        = number
  default     = 100

  validation {
    condition     = var.database_storage_gib >= 20
    error_message = "At least 20 GiB."
  }
}

variable "database_storage_gib_max" {
  description = "How far storage grows by itself."
  type        = number
  default     = 1000

  validation {
    condition     = var.database_storage_gib_max > var.database_storage_gib
    error_message = "More than at the start: a database without storage stops."
  }
}

variable "backup_days" {
  description = "Days for which any second can be restored."
  type        = number
  default     = 35

  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 35
    error_message = "From 7 to 35 days."
  }
}

variable "rotation_lambda_arn" {
  description = "A function that rotates the processes' database logins; empty: `counterfoil secrets rotate database` renews them when somebody says so."
  type        = string
  default     = ""
}

variable "rotation_role_arn" {
  description = "That function's role, which then may read and write those secrets."
  type        = string
  default     = ""

  validation {
    condition     = (var.rotation_role_arn == "") == (var.rotation_lambda_arn == "")
    error_message = "Give both, the function and its role, or neither."
  }
}

variable "rotation_days" {
  description = "Days between two rotations."
  type        = number
  default     = 30

  validation {
    condition     = var.rotation_days >= 1 && var.rotation_days <= 90
    error_message = "From 1 to 90 days."
  }
}

# Machines

variable "image_digest" {
  description = "sha256:... of the image in the repository that this makes (output repository_url); empty: no machine runs yet."
  type        = string
  default     = ""

  validation {
    condition     = var.image_digest == "" || can(regex("^sha256:[0-9a-f]{64}$", var.image_digest))
    error_message = "A digest: sha256: and 64 hexadecimal digits. A tag can be moved, and what runs here signs."
  }
}

variable "image_digests" {
  description = "Process, or `tools`, -> a digest other than image_digest: a new version goes to the tools first, then to one process after another."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for digest in values(var.image_digests) : can(regex("^sha256:[0-9a-f]{64}$", digest))])
    error_message = "Digests: sha256: and 64 hexadecimal digits."
  }

  validation {
    condition     = length(setsubtract(keys(var.image_digests), concat(keys(local.processes), ["tools"]))) == 0
    error_message = "Names of processes, or tools: platform.json has them."
  }
}

variable "collector_version" {
  description = "The tag of the OpenTelemetry collector in the repository that this makes (output collector_repository_url); a tag there is one image for ever. Empty: none runs, and COUNTERFOIL_OTLP_ENDPOINT is not set."
  type        = string
  default     = "v0.49.0"

  validation {
    condition     = can(regex("^([A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$", var.collector_version)) && var.collector_version != "latest"
    error_message = "A version's tag, v0.49.0, or nothing."
  }
}

variable "ami_id" {
  description = "The machines' image, as the output newest_ami_id has it; empty only while no machine runs."
  type        = string
  default     = ""

  validation {
    condition     = var.ami_id == "" || can(regex("^ami-[0-9a-f]{8,17}$", var.ami_id))
    error_message = "The id of an AMI: ami- and hexadecimal digits."
  }

  validation {
    condition     = var.ami_id != "" || alltrue([for digest in concat([var.image_digest], values(var.image_digests)) : digest == ""])
    error_message = "Where machines run, their image is named as the program's is: write the output newest_ami_id into ami_id. Else an apply about something else would replace every machine."
  }
}

variable "architecture" {
  description = "Of machines and image: x86_64 or arm64."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "x86_64 or arm64."
  }
}

variable "instance_types" {
  description = "Process -> instance type; `default` for those that are not named."
  type        = map(string)
  default     = { default = "t3.small", api = "c7i.large", payouts = "t3.medium" }

  validation {
    condition     = contains(keys(var.instance_types), "default")
    error_message = "It needs an entry `default`."
  }
}

variable "machines" {
  description = "Process -> other numbers of machines than platform.json has: { api = { min = 3, max = 20 } }."
  type        = map(object({ min = number, max = number }))
  default     = {}

  validation {
    condition     = alltrue([for bounds in var.machines : bounds.min >= 0 && bounds.max >= bounds.min])
    error_message = "0 <= min <= max."
  }
}

variable "queue_age_s" {
  description = "A machine is added when work has waited so long in a queue."
  type        = number
  default     = 10
}

variable "lag_s" {
  description = "A machine is added when a process says that it is so far behind."
  type        = number
  default     = 60
}

variable "settings" {
  description = "Further COUNTERFOIL_* settings without their prefix, for every process: { PAYOUT_FEE = \"0.5\" }. No secret: those stand in Secrets Manager."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "Names in capital letters, without COUNTERFOIL_."
  }

  validation {
    condition = length(setintersection(keys(var.settings), [
      "TRON_API_KEY", "OPERATOR_API_KEY", "KEYSTORE_PASSPHRASE", "DATABASE_URL", "MODE", "NETWORK", "TRON_NODE_URL", "AWS_PREFIX",
      "AWS_REGION", "PAYIN_KEYS", "HTTP_HOST", "HTTP_PORT", "DATABASE_OWNER_SECRET", "TRUSTED_PROXIES",
    ])) == 0
    error_message = "Secrets belong into Secrets Manager, and the others follow from variables of their own."
  }

  validation {
    condition     = alltrue([for name in keys(var.settings) : !startswith(name, "SIGNER_")])
    error_message = "What limits the signer is given to it alone: signer_settings."
  }
}

variable "signer_settings" {
  description = "COUNTERFOIL_SIGNER_* settings without COUNTERFOIL_, for the process that signs payouts, its approvers and the cold address for sweeps as well, and for no other: { SIGNER_PAYOUT_MAX = \"5000\", SIGNER_HOUR_MAX = \"20000\", SIGNER_DAY_MAX = \"100000\", SIGNER_COLD_ADDRESS = \"T…\" }."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.signer_settings) : startswith(name, "SIGNER_")])
    error_message = "SIGNER_PAYOUT_MAX, SIGNER_HOUR_MAX, SIGNER_DAY_MAX, SIGNER_COLD_ADDRESS, SIGNER_APPROVERS, SIGNER_APPROVALS."
  }
  validation {
    condition = var.network != "mainnet" || alltrue([
      for name in ["SIGNER_PAYOUT_MAX", "SIGNER_HOUR_MAX", "SIGNER_DAY_MAX", "SIGNER_COLD_ADDRESS"] : lookup(var.signer_settings, name, "") != ""
    ])
    error_message = "On mainnet each of the signer's limits is set by name, and the cold address; \"unlimited\" and \"none\" are values, too."
  }
}

# What is watched, and who is told

variable "alarm_emails" {
  description = "Who is written to when an alarm rings."
  type        = list(string)
  default     = []
}

variable "log_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 365

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "CloudWatch knows 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 and 3653 days."
  }
}

variable "checkpoint_lock_years" {
  description = "Years in which nobody can change or delete a signed checkpoint. It cannot be shortened for what is written."
  type        = number
  default     = 7

  validation {
    condition     = var.checkpoint_lock_years >= 1 && var.checkpoint_lock_years <= 30
    error_message = "From 1 to 30 years."
  }
}

variable "trail" {
  description = "Whether to make a CloudTrail trail; an organisation's trail may do it already. Alarms about keys need one of the two."
  type        = bool
  default     = true
}

variable "grafana" {
  description = "Whether to make a Managed Grafana workspace; the account then needs IAM Identity Center."
  type        = bool
  default     = false
}

variable "former_queues" {
  description = "Whether the queues that the version with one for each view asks for are kept: true in a roll-out from it, and until it may not come back."
  type        = bool
  default     = true
}

variable "sampling_rate" {
  description = "The share of traces that are kept, each a request or the whole way of a deposit or a payout: the same ones in every process."
  type        = number
  default     = 0.05

  validation {
    condition     = var.sampling_rate >= 0 && var.sampling_rate <= 1
    error_message = "From 0 to 1."
  }
}

# Workflows

variable "github_repository" {
  description = "owner/name of the repository whose workflows push images and plan; empty: none."
  type        = string
  default     = ""

  validation {
    condition     = var.github_repository == "" || can(regex("^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", var.github_repository))
    error_message = "owner/name."
  }
}

variable "github_provider_arn" {
  description = "GitHub's identity provider where the account has it already; empty: one is made."
  type        = string
  default     = ""
}

variable "state_arn" {
  description = "arn:aws:s3:::BUCKET/KEY of this state, which the plan workflow reads; empty where no workflow plans."
  type        = string
  default     = ""
}
