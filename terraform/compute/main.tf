# A group of machines for each process kind. A machine that fails is replaced, a new image or setting rolls through group by group,
# new machines first; and a group grows by what its process really waits for.

locals {
  tools = {
    summary = "Commands that a person runs"
    signer  = false
    serves  = false
    scale   = { by = "fixed", queue = "", metric = "", machines_min = 0, machines_max = 1 }
  }
  kinds = merge(var.processes, { tools = local.tools })

  # Without an image there is nothing to run yet.
  bounds = {
    for name, kind in local.kinds : name => var.images[name] == "" ? { min = 0, max = 0 } : lookup(
      var.machines, name, { min = kind.scale.machines_min, max = kind.scale.machines_max },
    )
  }
  scripts = {
    for name, kind in local.kinds : name => templatefile("${path.module}/machine.sh.tftpl", {
      process   = name
      image     = var.images[name]
      group     = "${var.name}-${name}"
      hooked    = name != "tools" && !kind.serves
      region    = var.region
      log_group = var.log_group_names[name]
      environment = merge(
        var.environment,
        name == "payouts" ? var.signer_environment : {},
        # Whose word it takes for other permissions of our wallets, and where coins may go: the same for every signer.
        name == "sweeps" ? { for setting, value in var.signer_environment : setting => value if length(regexall("APPROV|COLD", setting)) > 0 } : {},
      )
      database_ca     = trimspace(var.database_ca)
      collector_image = local.collector_image[name]
      collector = templatefile("${path.module}/collector.yaml.tftpl", {
        process          = name
        region           = var.region
        log_group        = var.log_group_names[name]
        remote_write_url = var.remote_write_url
        metrics_port     = var.metrics_port
      })
    })
  }
  collector_image = { for name in keys(local.kinds) : name => name == "tools" ? "" : var.collector_image }
}

resource "aws_launch_template" "this" {
  for_each = local.kinds

  name                   = "${var.name}-${each.key}"
  description            = each.value.summary
  image_id               = var.ami_id
  instance_type          = lookup(var.instance_types, each.key, var.instance_types["default"])
  update_default_version = true
  ebs_optimized          = true

  user_data = base64gzip(local.scripts[each.key])

  iam_instance_profile {
    name = var.instance_profiles[each.key]
  }

  network_interfaces {
    associate_public_ip_address = false
    delete_on_termination       = true
    security_groups             = [var.security_group_ids[each.key]]
  }

  # One hop: containers share the machine's network, and nothing behind another hop gets its credentials.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "disabled"
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      encrypted             = true
      volume_type           = "gp3"
      volume_size           = 16
      delete_on_termination = true
    }
  }

  monitoring {
    enabled = true
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "${var.name}-${each.key}", Process = each.key }
  }

  tag_specifications {
    resource_type = "volume"
    tags          = { Name = "${var.name}-${each.key}", Process = each.key }
  }
}

resource "aws_autoscaling_group" "this" {
  for_each = local.kinds

  name                = "${var.name}-${each.key}"
  min_size            = local.bounds[each.key].min
  max_size            = local.bounds[each.key].max
  vpc_zone_identifier = var.subnet_ids[each.value.signer ? "signers" : "processes"]
  target_group_arns   = each.value.serves ? var.target_group_arns : []

  # The balancer asks /livez, which says that the process can answer: /readyz is false as well when views or scanner are far
  # behind, and new machines would not mend that. Elsewhere a machine counts from when its process has said that it goes on
  # (the hook below); a process that hangs later is restarted on its machine; a machine that fails is replaced.
  health_check_type         = each.value.serves ? "ELB" : "EC2"
  health_check_grace_period = 120
  default_instance_warmup   = 60
  default_cooldown          = 60
  max_instance_lifetime     = 1209600
  termination_policies      = ["OldestLaunchTemplate", "OldestInstance"]
  wait_for_capacity_timeout = "0"
  metrics_granularity       = "1Minute"
  enabled_metrics           = ["GroupDesiredCapacity", "GroupInServiceInstances", "GroupTotalInstances"]

  launch_template {
    id      = aws_launch_template.this[each.key].id
    version = aws_launch_template.this[each.key].latest_version
  }

  # New before old. Two of a kind for a moment do no harm: they take turns, and the history refuses what was done already.
  instance_maintenance_policy {
    min_healthy_percentage = 100
    max_healthy_percentage = 200
  }

  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 200
      instance_warmup        = 60
      auto_rollback          = true
      skip_matching          = true

      # A version whose process rings goes back to the one before, by itself. The tools have no process.
      dynamic "alarm_specification" {
        for_each = each.key == "tools" ? [] : [1]

        content {
          alarms = ["${var.name}-process-${each.key}"]
        }
      }
    }
  }

  tag {
    key                 = "Process"
    value               = each.key
    propagate_at_launch = false
  }
}

# A machine is in service when `counterfoil health` says that its process goes on, and is given up when it never does: a group
# that looks at machines alone calls a crash loop healthy, and replaces the next machine.
resource "aws_autoscaling_lifecycle_hook" "begun" {
  for_each = { for name, kind in var.processes : name => kind if !kind.serves }

  name                   = "process-goes-on"
  autoscaling_group_name = aws_autoscaling_group.this[each.key].name
  lifecycle_transition   = "autoscaling:EC2_INSTANCE_LAUNCHING"
  heartbeat_timeout      = 1800
  default_result         = "ABANDON"
}
