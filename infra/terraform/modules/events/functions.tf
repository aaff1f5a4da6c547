# The functions of the ingestion, of other jobs, and of deployments.

locals {
  functions = {
    ingest      = { description = "Starts the ingestion of what was uploaded", timeout_seconds = 60, memory_mb = 1024, storage_mb = 512 }
    extract     = { description = "Checks, hashes and measures photos", timeout_seconds = 900, memory_mb = 3008, storage_mb = 2048 }
    deduplicate = { description = "Links duplicates, writes the manifest", timeout_seconds = 900, memory_mb = 2048, storage_mb = 512 }
    detect      = { description = "Finds the faces of a few photos", timeout_seconds = 240, memory_mb = 2048, storage_mb = 1024 }
    embed       = { description = "Vectors of the faces of a few photos", timeout_seconds = 240, memory_mb = 2048, storage_mb = 512 }
    cluster     = { description = "Groups the faces of an album", timeout_seconds = 900, memory_mb = 8192, storage_mb = 2048 }
    notify      = { description = "Tells that an ingestion is done", timeout_seconds = 120, memory_mb = 1024, storage_mb = 512 }
    jobs        = { description = "Archives, mail, erasing and other jobs", timeout_seconds = 900, memory_mb = 3008, storage_mb = 10240 }
    deploy      = { description = "Brings an approved model to its endpoint", timeout_seconds = 300, memory_mb = 1024, storage_mb = 512 }
  }
}

module "function" {
  source   = "../function"
  for_each = local.functions

  context         = var.context
  name            = each.key
  description     = each.value.description
  role_arn        = var.function_role_arns[each.key]
  image_uri       = each.key == "deploy" ? var.images["pipeline"] : var.images["workers"]
  command         = [var.handlers[each.key]]
  memory_mb       = each.value.memory_mb
  storage_mb      = each.value.storage_mb
  timeout_seconds = each.value.timeout_seconds
  vpc             = each.key == "deploy" ? null : var.vpc
  kms_key_arn     = var.kms_key_arn
  log_days        = var.log_days
  environment = each.key == "deploy" ? {
    FACEFLOW_PIPELINE_CONFIG = var.pipeline_config
    FACEFLOW_EVENT_BUS       = aws_cloudwatch_event_bus.main.name
  } : var.environment
}

resource "aws_lambda_event_source_mapping" "queue" {
  for_each = {
    ingestion = { function = "ingest", size = 100, window = 20 }
    jobs      = { function = "jobs", size = 1, window = 0 }
  }
  event_source_arn                   = local.queue_arns[each.key]
  function_name                      = module.function[each.value.function].arn
  batch_size                         = each.value.size
  maximum_batching_window_in_seconds = each.value.window
  # Messages that failed come again, the others do not.
  function_response_types = ["ReportBatchItemFailures"]
  scaling_config {
    maximum_concurrency = var.queue_concurrency
  }
}
