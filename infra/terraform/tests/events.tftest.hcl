mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  context = {
    project     = "faceflow"
    environment = "dev"
    region      = "eu-west-1"
    account_id  = "111122223333"
    partition   = "aws"
  }
  kms_key_arn  = "arn:aws:kms:eu-west-1:111122223333:key/11111111-1111-1111-1111-111111111111"
  data_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/11111111-1111-1111-1111-111111111111"
  buckets      = { raw = "raw", derived = "derived", embeddings = "embeddings", exports = "exports" }
  table_name   = "faceflow-dev"
  function_role_arns = {
    ingest      = "arn:aws:iam::111122223333:role/ingest"
    extract     = "arn:aws:iam::111122223333:role/extract"
    deduplicate = "arn:aws:iam::111122223333:role/deduplicate"
    detect      = "arn:aws:iam::111122223333:role/detect"
    embed       = "arn:aws:iam::111122223333:role/embed"
    cluster     = "arn:aws:iam::111122223333:role/cluster"
    notify      = "arn:aws:iam::111122223333:role/notify"
    jobs        = "arn:aws:iam::111122223333:role/jobs"
    deploy      = "arn:aws:iam::111122223333:role/deploy"
  }
  service_role_arns = {
    pipeline  = "arn:aws:iam::111122223333:role/pipeline"
    states    = "arn:aws:iam::111122223333:role/states"
    scheduler = "arn:aws:iam::111122223333:role/scheduler"
    task      = "arn:aws:iam::111122223333:role/task"
    execution = "arn:aws:iam::111122223333:role/execution"
  }
  handlers = {
    ingest      = "api.lambdas.ingest.handler"
    extract     = "api.lambdas.extract.handler"
    deduplicate = "api.lambdas.deduplicate.handler"
    detect      = "api.lambdas.detect.handler"
    embed       = "api.lambdas.embed.handler"
    cluster     = "api.lambdas.cluster.handler"
    notify      = "api.lambdas.notify.handler"
    jobs        = "api.lambdas.jobs.handler"
    deploy      = "api.lambdas.deploy.handler"
  }
  images         = { workers = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/faceflow:1.0.0", pipeline = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/faceflow:1.0.0", detection = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/faceflow:1.0.0" }
  environment    = { APP_ENV = "dev" }
  model_groups   = { detector = "faceflow-detector", embedder = "faceflow-embedder" }
  endpoint_names = { detector = "faceflow-detection", embedder = "faceflow-embedding" }
  pipeline_arn   = "arn:aws:sagemaker:eu-west-1:111122223333:pipeline/faceflow"
  mail_domain    = "example.org"
  vpc = {
    subnet_ids         = ["subnet-1", "subnet-2"]
    security_group_ids = ["sg-1"]
  }
}

run "ingestion" {
  module {
    source = "./modules/events"
  }
  assert {
    condition     = jsondecode(aws_sfn_state_machine.ingestion.definition).StartAt == "Extract"
    error_message = "the state machine is JSON, and begins with extracting"
  }
  assert {
    condition     = !strcontains(aws_sfn_state_machine.ingestion.definition, "$${")
    error_message = "every place in the template is filled"
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.uploaded.event_pattern).detail.bucket.name == ["raw"]
    error_message = "originals wake the ingestion"
  }
  assert {
    condition     = alltrue([for name, queue in aws_sqs_queue.main : queue.visibility_timeout_seconds >= 6 * local.functions[name == "jobs" ? "jobs" : "ingest"].timeout_seconds])
    error_message = "a message stays hidden while its function may work on it"
  }
  assert {
    condition     = alltrue([for queue in concat(values(aws_sqs_queue.main), values(aws_sqs_queue.dead)) : queue.kms_master_key_id == var.kms_key_arn])
    error_message = "queues are encrypted"
  }
  assert {
    condition     = alltrue([for mapping in aws_lambda_event_source_mapping.queue : mapping.function_response_types == toset(["ReportBatchItemFailures"])])
    error_message = "only messages that failed come again"
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.model_approved.event_pattern).detail.ModelApprovalStatus == ["Approved"]
    error_message = "approvals deploy"
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.endpoint_serves.event_pattern).detail.EndpointName == ["faceflow-detection", "faceflow-embedding"]
    error_message = "what follows an update is done"
  }
  assert {
    condition     = aws_scheduler_schedule.retrain.schedule_expression == "cron(0 3 ? * MON *)" && aws_scheduler_schedule.retrain.state == "ENABLED"
    error_message = "models are retrained every week"
  }
  assert {
    condition     = jsondecode(aws_scheduler_schedule.sweep.target[0].input).work == "sweep"
    error_message = "what was left behind is looked for"
  }
  assert {
    condition     = jsondecode(aws_scheduler_schedule.corrections.target[0].input).work == "corrections" && aws_scheduler_schedule.corrections.schedule_expression == "cron(0 0 * * ? *)"
    error_message = "corrections are published every night"
  }
  assert {
    condition     = module.function["detect"].name == "faceflow-dev-detect"
    error_message = "functions have the names that roles know"
  }
  assert {
    condition     = !aws_sfn_state_machine.ingestion.logging_configuration[0].include_execution_data
    error_message = "logs do not hold people's data"
  }
}

run "refuses_no_bound" {
  command = plan
  module {
    source = "./modules/events"
  }
  variables {
    sizes = { map_concurrency = 0 }
  }
  expect_failures = [var.sizes]
}

run "refuses_small_above_large" {
  command = plan
  module {
    source = "./modules/events"
  }
  variables {
    sizes = { small_photos = 100, large_photos = 50 }
  }
  expect_failures = [var.sizes]
}

run "refuses_an_unknown_night" {
  command = plan
  module {
    source = "./modules/events"
  }
  variables {
    corrections_schedule = "every night"
  }
  expect_failures = [var.corrections_schedule]
}

run "refuses_an_unknown_schedule" {
  command = plan
  module {
    source = "./modules/events"
  }
  variables {
    retrain_schedule = "weekly"
  }
  expect_failures = [var.retrain_schedule]
}
