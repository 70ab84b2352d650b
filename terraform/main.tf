# Each part is a module beside this file; platform.json says which queues, tables, keys, secrets and processes there are. It is written
# from the program (`make platform`), so that both name the same ones.

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

data "aws_ssm_parameter" "ami" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${var.architecture}"
}

data "aws_availability_zones" "this" {
  # checkov:skip=CKV_AWS_394:The first two by name are taken, and a zone that AWS adds comes after them; var.zones names others.
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  platform = jsondecode(file("${path.module}/platform.json"))
  queues   = merge(local.platform.queues, var.former_queues ? local.platform.former_queues : {})
  # Nobody is rung for what is left in a queue that nobody asks any more.
  alarmed_queues = local.platform.queues
  name           = "${var.prefix}counterfoil"
  account_id     = data.aws_caller_identity.this.account_id
  partition      = data.aws_partition.this.partition
  zones          = length(var.zones) > 0 ? var.zones : slice(data.aws_availability_zones.this.names, 0, 2)
  http_port      = 8080
  metrics_port   = 9464

  # In a roll-out from the version that had a queue for each view, its processes go on asking for theirs.
  processes = {
    for name, process in local.platform.processes : name => merge(process, {
      sends    = concat(process.sends, var.former_queues ? process.sends_formerly : [])
      receives = concat(process.receives, var.former_queues ? process.receives_formerly : [])
    })
  }

  # Each group its own: in an upgrade tools go first, then `counterfoil migrate`, then one process of each kind, then the rest.
  digests = { for name in concat(keys(local.processes), ["tools"]) : name => lookup(var.image_digests, name, var.image_digest) }
  images  = { for name, digest in local.digests : name => digest == "" ? "" : "${aws_ecr_repository.this.repository_url}@${digest}" }

  collector_image = var.collector_version == "" ? "" : "${aws_ecr_repository.collector.repository_url}:${var.collector_version}"

  # Each wallet's key, and those that are to take over from it (`counterfoil wallets rotate`): whoever signs for the wallet signs with them.
  wallet_of = merge(
    { for wallet in keys(local.platform.wallet_keys) : wallet => wallet },
    merge([for wallet, names in var.further_wallet_keys : { for name in names : name => wallet }]...),
  )
  roles   = module.iam.role_arns
  signers = { for key, wallet in local.wallet_of : key => [for name, process in local.processes : local.roles[name] if contains(process.signs, wallet)] }
  knowers = { for key, wallet in local.wallet_of : key => [for name, process in local.processes : local.roles[name] if contains(process.knows, wallet)] }

  environment = merge(
    { for name, value in var.settings : "COUNTERFOIL_${name}" => value },
    {
      AWS_REGION                        = var.region
      COUNTERFOIL_MODE                  = "aws"
      COUNTERFOIL_AWS_REGION            = var.region
      COUNTERFOIL_AWS_PREFIX            = var.prefix
      COUNTERFOIL_NETWORK               = var.network
      COUNTERFOIL_TRON_NODE_URL         = join(",", var.tron_node_urls)
      COUNTERFOIL_PAYIN_KEYS            = var.payin_keys
      COUNTERFOIL_TRACE_RATIO           = tostring(var.sampling_rate)
      COUNTERFOIL_HTTP_HOST             = "0.0.0.0"
      COUNTERFOIL_HTTP_PORT             = tostring(local.http_port)
      COUNTERFOIL_TRUSTED_PROXIES       = join(",", module.network.balancer_cidrs)
      COUNTERFOIL_METRICS_PORT          = tostring(local.metrics_port)
      COUNTERFOIL_DATABASE_URL          = "postgresql://${module.database.address}:${module.database.port}/${module.database.database}?sslmode=verify-full&sslrootcert=/etc/counterfoil/rds.pem"
      COUNTERFOIL_DATABASE_OWNER_SECRET = module.database.owner_secret_arn
      COUNTERFOIL_HOT_KMS_KEY           = module.keys.wallet_arns["hot"]
      COUNTERFOIL_GAS_KMS_KEY           = module.keys.wallet_arns["gas"]
      COUNTERFOIL_SEED_KMS_KEY          = module.keys.wrapping_arns["seed"]
      COUNTERFOIL_CHECKPOINT_BUCKET     = module.archive.checkpoints_bucket
    },
    var.collector_version == "" ? {} : { COUNTERFOIL_OTLP_ENDPOINT = "http://127.0.0.1:4318" },
  )
}

module "network" {
  source = "./network"

  name            = local.name
  region          = var.region
  partition       = local.partition
  account_id      = local.account_id
  cidr            = var.cidr
  zones           = local.zones
  nat             = var.nat
  processes       = local.processes
  client_cidrs    = var.client_cidrs
  tron_node_cidrs = var.tron_node_cidrs
  tron_node_ports = var.tron_node_ports
  tron_node_lists = var.tron_node_prefix_lists
  webhook_ports   = var.webhook_ports
  http_port       = local.http_port
  log_key_arn     = module.keys.wrapping_arns["logs"]
  log_days        = var.log_days
}

module "keys" {
  source = "./keys"

  name           = local.name
  prefix         = var.prefix
  partition      = local.partition
  account_id     = local.account_id
  region         = var.region
  vpc_id         = module.network.vpc_id
  wallet_aliases = { for key in keys(local.wallet_of) : key => lookup(local.platform.wallet_keys, key, "alias/counterfoil-${key}") }
  seed_alias     = local.platform.wrapping_keys["seed"]
  signers        = local.signers
  knowers        = local.knowers
  seed_users     = [for name, process in local.processes : local.roles[name] if contains(process.unwraps, "seed")]
  seed_makers    = [local.roles["tools"]]
  custodian_arns = var.key_custodian_arns
  approver_arns  = var.key_approver_arns
}

module "queues" {
  source = "./queues"

  prefix     = var.prefix
  queues     = local.queues
  attributes = local.platform.queue_attributes
}

module "tables" {
  source = "./tables"

  prefix              = var.prefix
  tables              = local.platform.tables
  key_arn             = module.keys.wrapping_arns["data"]
  deletion_protection = var.deletion_protection
}

module "secrets" {
  source = "./secrets"

  prefix  = var.prefix
  key_arn = module.keys.wrapping_arns["secrets"]
  readers = {
    for secret in local.platform.secrets :
    secret => [for name, process in local.processes : local.roles[name] if contains(process.secrets, secret)]
  }
  writer_arns         = concat([local.roles["tools"]], var.key_custodian_arns)
  guardian_arns       = var.key_custodian_arns
  rotated             = [for secret in local.platform.secrets : secret if startswith(secret, "counterfoil/database/")]
  rotation_lambda_arn = var.rotation_lambda_arn
  rotation_role_arn   = var.rotation_role_arn
  rotation_days       = var.rotation_days
}

module "database" {
  source = "./database"

  name                = local.name
  partition           = local.partition
  account_id          = local.account_id
  subnet_ids          = module.network.subnet_ids["database"]
  security_group_id   = module.network.security_group_ids["database"]
  key_arn             = module.keys.wrapping_arns["data"]
  secret_key_arn      = module.keys.wrapping_arns["secrets"]
  engine_version      = var.postgres_version
  instance_class      = var.database_class
  storage_gib         = var.database_storage_gib
  storage_gib_max     = var.database_storage_gib_max
  backup_days         = var.backup_days
  deletion_protection = var.deletion_protection
}

module "archive" {
  source = "./archive"

  name           = local.name
  account_id     = local.account_id
  region         = var.region
  partition      = local.partition
  key_arn        = module.keys.wrapping_arns["data"]
  log_key_arn    = module.keys.wrapping_arns["logs"]
  writer_arns    = [for name, process in local.processes : local.roles[name] if process.archives]
  custodian_arns = var.key_custodian_arns
  lock_years     = var.checkpoint_lock_years
  log_days       = var.log_days
  trail          = var.trail
}

module "iam" {
  source = "./iam"

  name                  = local.name
  prefix                = var.prefix
  partition             = local.partition
  region                = var.region
  account_id            = local.account_id
  processes             = local.processes
  queue_arns            = module.queues.arns
  dead_letter_arns      = module.queues.dead_letter_arns
  table_arns            = module.tables.arns
  secret_arns           = module.secrets.arns
  owner_secret_arn      = module.database.owner_secret_arn
  key_arns              = module.keys.wrapping_arns
  log_group_arns        = module.observability.log_group_arns
  repository_arns       = [aws_ecr_repository.this.arn, aws_ecr_repository.collector.arn]
  checkpoints_arn       = module.archive.checkpoints_arn
  payin_keys            = var.payin_keys
  metrics_workspace_arn = module.observability.prometheus_arn
  github_repository     = var.github_repository
  github_provider_arn   = var.github_provider_arn
  state_arn             = var.state_arn
}

module "balancer" {
  source = "./balancer"

  name                = local.name
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.subnet_ids["public"]
  security_group_id   = module.network.security_group_ids["balancer"]
  certificate_arn     = var.certificate_arn
  logs_bucket         = module.archive.logs_bucket
  log_key_arn         = module.keys.wrapping_arns["logs"]
  log_days            = var.log_days
  http_port           = local.http_port
  requests_max        = var.requests_max
  operator_cidrs      = var.operator_cidrs
  blocked_countries   = var.blocked_countries
  deletion_protection = var.deletion_protection
}

module "compute" {
  source = "./compute"

  name               = local.name
  region             = var.region
  processes          = local.processes
  queue_names        = module.queues.names
  environment        = local.environment
  signer_environment = { for name, value in var.signer_settings : "COUNTERFOIL_${name}" => value }
  database_ca        = file(var.database_ca_file)
  images             = local.images
  collector_image    = local.collector_image
  remote_write_url   = module.observability.remote_write_url
  metrics_port       = local.metrics_port
  ami_id             = var.ami_id == "" ? nonsensitive(data.aws_ssm_parameter.ami.value) : var.ami_id
  instance_types     = var.instance_types
  machines           = var.machines
  subnet_ids         = module.network.subnet_ids
  security_group_ids = module.network.security_group_ids
  instance_profiles  = module.iam.instance_profiles
  log_group_names    = module.observability.log_group_names
  target_group_arns  = [module.balancer.target_group_arn]
  queue_age_s        = var.queue_age_s
  lag_s              = var.lag_s
}

module "observability" {
  source = "./observability"

  name                    = local.name
  region                  = var.region
  partition               = local.partition
  account_id              = local.account_id
  processes               = { for name, process in local.processes : name => { machines_min = try(var.machines[name].min, process.scale.machines_min) } }
  log_days                = var.log_days
  log_key_arn             = module.keys.wrapping_arns["logs"]
  data_key_arn            = module.keys.wrapping_arns["data"]
  alarm_emails            = var.alarm_emails
  queue_names             = { for name in keys(local.alarmed_queues) : name => module.queues.names[name] }
  dead_letter_names       = { for name in keys(local.alarmed_queues) : name => module.queues.dead_letter_names[name] }
  table_names             = module.tables.names
  database_identifier     = module.database.identifier
  database_storage_gib    = var.database_storage_gib
  balancer_arn_suffix     = module.balancer.arn_suffix
  target_group_arn_suffix = module.balancer.target_group_arn_suffix
  group_names             = module.compute.group_names
  running                 = toset([for name, digest in local.digests : name if digest != ""])
  signer_profiles         = [for name, process in local.processes : module.iam.instance_profile_arns[name] if process.signer]
  key_arns                = concat(values(module.keys.wallet_arns), [module.keys.wrapping_arns["seed"]])
  grafana                 = var.grafana
}
