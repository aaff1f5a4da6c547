# A Lambda function of an image, with its log group.

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${local.prefix}-${var.name}"
  retention_in_days = var.log_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_lambda_function" "function" {
  function_name                  = "${local.prefix}-${var.name}"
  description                    = var.description
  role                           = var.role_arn
  package_type                   = "Image"
  image_uri                      = var.image_uri
  architectures                  = [var.architecture]
  memory_size                    = var.memory_mb
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = var.reserved_concurrency
  kms_key_arn                    = var.kms_key_arn

  dynamic "image_config" {
    for_each = length(var.command) > 0 ? [var.command] : []
    content {
      command = image_config.value
    }
  }

  dynamic "vpc_config" {
    for_each = var.vpc == null ? [] : [var.vpc]
    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  environment {
    variables = var.environment
  }

  ephemeral_storage {
    size = var.storage_mb
  }

  tracing_config {
    mode = "Active"
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.function.name
  }
}
