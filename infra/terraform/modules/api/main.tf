# The HTTP API: API Gateway before the application's function, for its usage plans and WAF.
# The application itself checks tokens, as it does on one machine.

locals {
  arn     = "arn:${var.context.partition}"
  account = "${var.context.region}:${var.context.account_id}"
}

module "function" {
  source               = "../function"
  context              = var.context
  name                 = "api"
  description          = "The application's HTTP API"
  role_arn             = var.function_role_arns["api"]
  image_uri            = var.images.api
  memory_mb            = var.memory_mb
  timeout_seconds      = 29 # API Gateway waits no longer
  reserved_concurrency = var.reserved_concurrency
  vpc                  = var.vpc
  environment          = merge(var.environment, { FACEFLOW_EVENTS_URL = local.events_url })
  kms_key_arn          = var.kms_key_arn
  log_days             = var.log_days
}

resource "aws_api_gateway_rest_api" "main" {
  name        = local.prefix
  description = "FaceFlow's HTTP API"
  # Everything: a type that is not among these goes out as the text in base64 that the function
  # answers with. Which one counts is what the client accepts first, "*/*" for a font or a script, and
  # nothing by way of CloudFront's cache.
  binary_media_types       = ["*/*"]
  minimum_compression_size = 1024
  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_resource" "any" {
  rest_api_id = aws_api_gateway_rest_api.main.id
  parent_id   = aws_api_gateway_rest_api.main.root_resource_id
  path_part   = "{proxy+}"
}

locals {
  resources = {
    root = aws_api_gateway_rest_api.main.root_resource_id
    any  = aws_api_gateway_resource.any.id
  }
}

# A key says which plan a call is counted in: CloudFront's for people, one for each integration.
# It is no proof of identity.
resource "aws_api_gateway_method" "any" {
  for_each         = local.resources
  rest_api_id      = aws_api_gateway_rest_api.main.id
  resource_id      = each.value
  http_method      = "ANY"
  authorization    = "NONE"
  api_key_required = true
}

resource "aws_api_gateway_integration" "any" {
  for_each                = local.resources
  rest_api_id             = aws_api_gateway_rest_api.main.id
  resource_id             = each.value
  http_method             = aws_api_gateway_method.any[each.key].http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = module.function.invoke_arn
}

resource "aws_lambda_permission" "gateway" {
  statement_id  = "api-gateway"
  action        = "lambda:InvokeFunction"
  function_name = module.function.name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${local.arn}:execute-api:${local.account}:${aws_api_gateway_rest_api.main.id}/*"
}

resource "aws_api_gateway_deployment" "main" {
  rest_api_id = aws_api_gateway_rest_api.main.id
  triggers = {
    # What is said above, not the whole resources: what they leave out is null when they are made and
    # empty when they are read, which would deploy again.
    configuration = sha256(jsonencode([
      aws_api_gateway_rest_api.main.binary_media_types,
      [for method in aws_api_gateway_method.any : [method.resource_id, method.http_method, method.authorization, method.api_key_required]],
      [for way in aws_api_gateway_integration.any : [way.resource_id, way.http_method, way.type, way.integration_http_method, way.uri]],
    ]))
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/apigateway/${local.prefix}"
  retention_in_days = var.log_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_api_gateway_stage" "main" {
  # Logs are refused while the account has no role for them.
  depends_on           = [aws_api_gateway_account.main]
  rest_api_id          = aws_api_gateway_rest_api.main.id
  deployment_id        = aws_api_gateway_deployment.main.id
  stage_name           = "main"
  xray_tracing_enabled = true
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    # No query: signatures of URLs are in it.
    format = jsonencode({
      requestId = "$context.requestId"
      ip        = "$context.identity.sourceIp"
      method    = "$context.httpMethod"
      path      = "$context.path"
      status    = "$context.status"
      latency   = "$context.responseLatency"
      error     = "$context.integrationErrorMessage"
    })
  }
}

resource "aws_api_gateway_method_settings" "main" {
  rest_api_id = aws_api_gateway_rest_api.main.id
  stage_name  = aws_api_gateway_stage.main.stage_name
  method_path = "*/*"
  settings {
    metrics_enabled        = true
    logging_level          = "ERROR"
    data_trace_enabled     = false
    throttling_rate_limit  = var.throttle.rate
    throttling_burst_limit = var.throttle.burst
  }
}

resource "aws_api_gateway_usage_plan" "plan" {
  for_each    = var.usage_plans
  name        = "${local.prefix}-${each.key}"
  description = each.value.description
  api_stages {
    api_id = aws_api_gateway_rest_api.main.id
    stage  = aws_api_gateway_stage.main.stage_name
  }
  throttle_settings {
    rate_limit  = each.value.rate
    burst_limit = each.value.burst
  }
  dynamic "quota_settings" {
    for_each = each.value.calls_per_month == null ? [] : [each.value.calls_per_month]
    content {
      limit  = quota_settings.value
      period = "MONTH"
    }
  }
}

resource "aws_api_gateway_api_key" "plan" {
  for_each = var.usage_plans
  name     = "${local.prefix}-${each.key}"
}

resource "aws_api_gateway_usage_plan_key" "plan" {
  for_each      = var.usage_plans
  key_id        = aws_api_gateway_api_key.plan[each.key].id
  key_type      = "API_KEY"
  usage_plan_id = aws_api_gateway_usage_plan.plan[each.key].id
}
