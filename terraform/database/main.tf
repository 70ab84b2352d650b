# The one thing that cannot be computed again. Two machines in two zones with the same bytes before a commit is answered; any
# second of the last weeks can be restored. The owner's password is made, kept and rotated by RDS: nobody ever sees it.

resource "aws_db_subnet_group" "this" {
  name        = var.name
  description = "Subnets without a route out of the VPC"
  subnet_ids  = var.subnet_ids
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${var.name}-postgres${var.engine_version}-"
  family      = "postgres${var.engine_version}"
  description = "TLS only; durable commits; slow statements are logged, passwords are not"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name  = "ssl_min_protocol_version"
    value = "TLSv1.2"
  }

  # What projectors do without, they say in their own transactions; everybody else waits for the disk.
  parameter {
    name  = "synchronous_commit"
    value = "on"
  }

  parameter {
    name         = "max_connections"
    value        = tostring(var.connections_max)
    apply_method = "pending-reboot"
  }

  # "ddl" would write the passwords of ALTER ROLE into the log (I13). What changed the schema stands in schema_migrations.
  parameter {
    name  = "log_statement"
    value = "none"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }

  # Parameters of slow statements are clients' data.
  parameter {
    name  = "log_parameter_max_length"
    value = "0"
  }

  parameter {
    name  = "log_connections"
    value = "1"
  }

  parameter {
    name  = "log_lock_waits"
    value = "1"
  }

  # A process that died within a transaction must not hold the append lock for ever.
  parameter {
    name  = "idle_in_transaction_session_timeout"
    value = "60000"
  }

  parameter {
    name  = "tcp_keepalives_idle"
    value = "30"
  }

  lifecycle { create_before_destroy = true }
}

resource "aws_iam_role" "monitoring" {
  name = "${var.name}-database-monitoring"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "monitoring.rds.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:${var.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

resource "aws_db_instance" "this" {
  # checkov:skip=CKV_AWS_161:Processes log in with passwords of Secrets Manager; a second way in that nobody uses is none.
  identifier     = var.name
  db_name        = "counterfoil"
  engine         = "postgres"
  engine_version = var.engine_version
  instance_class = var.instance_class

  username                      = "counterfoil_admin"
  manage_master_user_password   = true
  master_user_secret_kms_key_id = var.secret_key_arn

  multi_az               = true
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [var.security_group_id]
  publicly_accessible    = false
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  storage_type          = "gp3"
  allocated_storage     = var.storage_gib
  max_allocated_storage = var.storage_gib_max
  storage_encrypted     = true
  kms_key_id            = var.key_arn

  parameter_group_name        = aws_db_parameter_group.this.name
  auto_minor_version_upgrade  = true
  allow_major_version_upgrade = false
  apply_immediately           = false
  maintenance_window          = "sun:03:30-sun:04:30"

  backup_retention_period   = var.backup_days
  backup_window             = "02:00-03:00"
  copy_tags_to_snapshot     = true
  delete_automated_backups  = false
  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-final"

  # Processes log in with passwords of Secrets Manager, which are replaced while they run; a second way in that nobody uses is none.
  iam_database_authentication_enabled   = false
  enabled_cloudwatch_logs_exports       = ["postgresql", "upgrade"]
  performance_insights_enabled          = true
  performance_insights_kms_key_id       = var.key_arn
  performance_insights_retention_period = 7
  monitoring_interval                   = 60
  monitoring_role_arn                   = aws_iam_role.monitoring.arn

  lifecycle { prevent_destroy = true }

  depends_on = [aws_iam_role_policy_attachment.monitoring]
}
