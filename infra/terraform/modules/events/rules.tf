# What happens elsewhere and is told to us.

resource "aws_cloudwatch_event_bus" "main" {
  name               = local.prefix
  kms_key_identifier = var.kms_key_arn
}

# A photo has arrived. Only originals wake the ingestion, and only the raw bucket holds them.
resource "aws_cloudwatch_event_rule" "uploaded" {
  name        = "${local.prefix}-uploaded"
  description = "An original is in the raw bucket"
  event_pattern = jsonencode({
    source        = ["aws.s3"]
    "detail-type" = ["Object Created"]
    detail = {
      bucket = { name = [var.buckets["raw"]] }
      object = { key = [{ prefix = "tenant/" }] }
    }
  })
}

resource "aws_cloudwatch_event_target" "uploaded" {
  rule = aws_cloudwatch_event_rule.uploaded.name
  arn  = local.queue_arns["ingestion"]
}

# An execution that timed out or was stopped never reached the state that records failures.
resource "aws_cloudwatch_event_rule" "ingestion_ended" {
  name        = "${local.prefix}-ingestion-ended"
  description = "An ingestion ended badly: its job is put right"
  event_pattern = jsonencode({
    source        = ["aws.states"]
    "detail-type" = ["Step Functions Execution Status Change"]
    detail = {
      stateMachineArn = [local.state_machine_arn]
      status          = ["FAILED", "TIMED_OUT", "ABORTED"]
    }
  })
}

resource "aws_cloudwatch_event_target" "ingestion_ended" {
  rule = aws_cloudwatch_event_rule.ingestion_ended.name
  arn  = local.queue_arns["jobs"]
}

# A person approved a model: pipelines/deployment/events.py brings it to its endpoint.
resource "aws_cloudwatch_event_rule" "model_approved" {
  name        = "${local.prefix}-model-approved"
  description = "A version of one of our models was approved"
  event_pattern = jsonencode({
    source        = ["aws.sagemaker"]
    "detail-type" = ["SageMaker Model Package State Change"]
    detail = {
      ModelPackageGroupName = values(var.model_groups)
      ModelApprovalStatus   = ["Approved"]
    }
  })
}

resource "aws_cloudwatch_event_target" "model_approved" {
  rule = aws_cloudwatch_event_rule.model_approved.name
  arn  = module.function["deploy"].arn
  retry_policy {
    maximum_event_age_in_seconds = 24 * 3600
    maximum_retry_attempts       = 185
  }
}

resource "aws_lambda_permission" "model_approved" {
  statement_id  = "model-approved"
  action        = "lambda:InvokeFunction"
  function_name = module.function["deploy"].name
  principal     = "events.amazonaws.com"
  source_arn    = "${local.arn}:events:${local.account}:rule/${aws_cloudwatch_event_rule.model_approved.name}"
}

# An endpoint answers after an update: what was approved meanwhile is brought, and a contract that is new
# to the application is told to it.
resource "aws_cloudwatch_event_rule" "endpoint_serves" {
  name        = "${local.prefix}-endpoint-serves"
  description = "One of our endpoints is in service"
  event_pattern = jsonencode({
    source        = ["aws.sagemaker"]
    "detail-type" = ["SageMaker Endpoint State Change"]
    detail = {
      EndpointName   = values(var.endpoint_names)
      EndpointStatus = ["IN_SERVICE"]
    }
  })
}

resource "aws_cloudwatch_event_target" "endpoint_serves" {
  rule = aws_cloudwatch_event_rule.endpoint_serves.name
  arn  = module.function["deploy"].arn
  retry_policy {
    maximum_event_age_in_seconds = 24 * 3600
    maximum_retry_attempts       = 185
  }
}

resource "aws_lambda_permission" "endpoint_serves" {
  statement_id  = "endpoint-serves"
  action        = "lambda:InvokeFunction"
  function_name = module.function["deploy"].name
  principal     = "events.amazonaws.com"
  source_arn    = "${local.arn}:events:${local.account}:rule/${aws_cloudwatch_event_rule.endpoint_serves.name}"
}

# Lambda tries twice more; an approval while the endpoint is busy is brought when that is over.
resource "aws_lambda_function_event_invoke_config" "deploy" {
  function_name                = module.function["deploy"].name
  maximum_event_age_in_seconds = 6 * 3600
  maximum_retry_attempts       = 2
}

# A new embedder answers: albums are to be embedded again.
resource "aws_cloudwatch_event_rule" "contract_changed" {
  name           = "${local.prefix}-contract-changed"
  description    = "Vectors have a new contract"
  event_bus_name = aws_cloudwatch_event_bus.main.name
  event_pattern = jsonencode({
    source        = ["faceflow.pipeline"]
    "detail-type" = ["Embedding Contract Change"]
  })
}

resource "aws_cloudwatch_event_target" "contract_changed" {
  rule           = aws_cloudwatch_event_rule.contract_changed.name
  event_bus_name = aws_cloudwatch_event_bus.main.name
  arn            = local.queue_arns["jobs"]
}

# The weekly retraining, as `faceflow-ml retrain schedule` would make it.
resource "aws_scheduler_schedule" "retrain" {
  name                         = "faceflow-retrain-weekly"
  description                  = "Retrains FaceFlow's models from corrections"
  schedule_expression          = var.retrain_schedule
  schedule_expression_timezone = "UTC"
  state                        = var.retrain_enabled ? "ENABLED" : "DISABLED"
  kms_key_arn                  = var.kms_key_arn

  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 60
  }

  target {
    arn      = var.pipeline_arn
    role_arn = var.service_role_arns["scheduler"]
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 3
    }
    dead_letter_config {
      arn = local.queue_arns["jobs-dead"]
    }
    dynamic "sagemaker_pipeline_parameters" {
      for_each = length(var.retrain_parameters) > 0 ? [var.retrain_parameters] : []
      content {
        dynamic "pipeline_parameter" {
          for_each = sagemaker_pipeline_parameters.value
          content {
            name  = pipeline_parameter.key
            value = pipeline_parameter.value
          }
        }
      }
    }
  }
}

# Every night corrections follow consent: long before the pipeline reads them, and however rarely it does.
resource "aws_scheduler_schedule" "corrections" {
  name                         = "${local.prefix}-corrections"
  description                  = "Publishes people's corrections for the retraining"
  schedule_expression          = var.corrections_schedule
  schedule_expression_timezone = "UTC"
  kms_key_arn                  = var.kms_key_arn

  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 15
  }

  target {
    arn      = local.queue_arns["jobs"]
    role_arn = var.service_role_arns["scheduler"]
    input    = jsonencode({ work = "corrections" })
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 3
    }
    dead_letter_config {
      arn = local.queue_arns["jobs-dead"]
    }
  }
}

# What crashed processes left behind is started again: jobs whose message never came, mails.
resource "aws_scheduler_schedule" "sweep" {
  name                = "${local.prefix}-sweep"
  description         = "Looks for jobs that nobody works on"
  schedule_expression = "rate(15 minutes)"
  kms_key_arn         = var.kms_key_arn

  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 5
  }

  target {
    arn      = local.queue_arns["jobs"]
    role_arn = var.service_role_arns["scheduler"]
    input    = jsonencode({ work = "sweep" })
    retry_policy {
      maximum_event_age_in_seconds = 600
      maximum_retry_attempts       = 2
    }
  }
}
