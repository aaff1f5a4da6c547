# Progress of jobs to clients that listen: a WebSocket API whose connections are rows of the table.
# Its function runs outside of the VPC, from where the API's management is reached.

module "sockets" {
  source          = "../function"
  context         = var.context
  name            = "sockets"
  description     = "Connections of clients, and what is pushed to them"
  role_arn        = var.function_role_arns["sockets"]
  image_uri       = var.images.workers
  command         = [var.sockets_handler]
  memory_mb       = 1024
  timeout_seconds = 29
  environment     = merge(var.environment, { FACEFLOW_SOCKETS_URL = local.management_url })
  kms_key_arn     = var.kms_key_arn
  log_days        = var.log_days
}

resource "aws_apigatewayv2_api" "sockets" {
  name                       = "${local.prefix}-sockets"
  protocol_type              = "WEBSOCKET"
  route_selection_expression = "$request.body.action"
}

locals {
  socket_host    = "${aws_apigatewayv2_api.sockets.id}.execute-api.${var.context.region}.amazonaws.com"
  socket_stage   = "main"
  management_url = "https://${local.socket_host}/${local.socket_stage}"
  events_url     = "wss://${local.socket_host}/${local.socket_stage}"
}

resource "aws_apigatewayv2_integration" "sockets" {
  api_id             = aws_apigatewayv2_api.sockets.id
  integration_type   = "AWS_PROXY"
  integration_method = "POST"
  integration_uri    = module.sockets.invoke_arn
}

resource "aws_apigatewayv2_route" "sockets" {
  for_each  = toset(["$connect", "$disconnect", "$default"])
  api_id    = aws_apigatewayv2_api.sockets.id
  route_key = each.value
  # The function checks the token that comes with $connect.
  authorization_type = "NONE"
  target             = "integrations/${aws_apigatewayv2_integration.sockets.id}"
}

resource "aws_apigatewayv2_stage" "sockets" {
  #checkov:skip=CKV_AWS_76:The function logs every connection with its request id
  api_id      = aws_apigatewayv2_api.sockets.id
  name        = local.socket_stage
  auto_deploy = true
  default_route_settings {
    throttling_rate_limit    = var.throttle.rate
    throttling_burst_limit   = var.throttle.burst
    detailed_metrics_enabled = true
  }
}

resource "aws_lambda_permission" "sockets" {
  statement_id  = "sockets"
  action        = "lambda:InvokeFunction"
  function_name = module.sockets.name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${local.arn}:execute-api:${local.account}:${aws_apigatewayv2_api.sockets.id}/*"
}

# What the application publishes about an album goes to those who listen to it.
resource "aws_cloudwatch_event_rule" "push" {
  name           = "${local.prefix}-push"
  description    = "Events of albums, to their listeners"
  event_bus_name = var.event_bus_name
  event_pattern = jsonencode({
    source        = ["faceflow.api"]
    "detail-type" = ["Album Event"]
  })
}

resource "aws_cloudwatch_event_target" "push" {
  rule           = aws_cloudwatch_event_rule.push.name
  event_bus_name = var.event_bus_name
  arn            = module.sockets.arn
  retry_policy {
    # Progress that is minutes old helps nobody.
    maximum_event_age_in_seconds = 60
    maximum_retry_attempts       = 2
  }
}

resource "aws_lambda_permission" "push" {
  statement_id  = "push"
  action        = "lambda:InvokeFunction"
  function_name = module.sockets.name
  principal     = "events.amazonaws.com"
  source_arn    = "${local.arn}:events:${local.account}:rule/${var.event_bus_name}/${aws_cloudwatch_event_rule.push.name}"
}
