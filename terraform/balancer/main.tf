# HTTPS and nothing else: there is no port 80, since whoever sends an API key in the clear has lost it before a redirect.

resource "aws_lb" "this" {
  # checkov:skip=CKV2_AWS_76:The list it asks for refuses hosting providers, and that is where clients' servers are; known bad input, Log4j's included, is refused (firewall.tf).
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = false
  subnets                    = var.subnet_ids
  security_groups            = [var.security_group_id]
  enable_deletion_protection = var.deletion_protection
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "strictest"
  enable_http2               = true
  # Below the API's own keep-alive of 75 s, so that it is never the API that closes a connection about to be used.
  idle_timeout = 60

  access_logs {
    bucket  = var.logs_bucket
    prefix  = "balancer"
    enabled = true
  }
}

resource "aws_lb_target_group" "api" {
  # checkov:skip=CKV_AWS_378:TLS ends at the balancer; from there to the API the way stays within the VPC, between two security groups.
  name_prefix = "api-"
  port        = var.http_port
  protocol    = "HTTP"
  vpc_id      = var.vpc_id
  # Requests that are under way when a machine goes are finished.
  deregistration_delay          = 30
  load_balancing_algorithm_type = "least_outstanding_requests"

  # 200 while the process can answer. Whether the installation is whole is /readyz: a view or a scanner that is behind, or an
  # upgrade that is on its way, is no reason to answer nobody.
  health_check {
    path                = "/livez"
    matcher             = "200"
    interval            = 5
    timeout             = 4
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }

  lifecycle { create_before_destroy = true }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  routing_http_response_server_enabled                         = false
  routing_http_response_strict_transport_security_header_value = "max-age=63072000"
  routing_http_response_x_content_type_options_header_value    = "nosniff"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}

# Numbers of the inside are the collector's and the operator's business, not the internet's: the collector asks on loopback.
resource "aws_lb_listener_rule" "metrics" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10

  condition {
    path_pattern {
      values = ["/metrics"]
    }
  }

  action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "not found"
      status_code  = "404"
    }
  }
}
