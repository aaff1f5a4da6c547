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
  kms_key_arn    = "arn:aws:kms:eu-west-1:111122223333:key/11111111-1111-1111-1111-111111111111"
  alarm_emails   = ["operations@example.org"]
  api_name       = "faceflow-dev"
  function_names = { api = "faceflow-dev-api", detect = "faceflow-dev-detect" }
  queue_names = {
    ingestion        = "faceflow-dev-ingestion"
    jobs             = "faceflow-dev-jobs"
    "ingestion-dead" = "faceflow-dev-ingestion-dead"
    "jobs-dead"      = "faceflow-dev-jobs-dead"
  }
  state_machine_arn = "arn:aws:states:eu-west-1:111122223333:stateMachine:faceflow-dev-ingestion"
  table_name        = "faceflow-dev"
  endpoint_names    = { detector = "faceflow-detection", embedder = "faceflow-embedding" }
  budget_usd        = 300
}

run "alarms" {
  module {
    source = "./modules/monitoring"
  }
  assert {
    condition     = alltrue([for name in ["api-errors", "api-latency", "ingestion-age", "jobs-age", "ingestion-dead-depth", "jobs-dead-depth", "ingestion-failed", "detector-latency", "detector-errors", "embedder-latency", "embedder-errors"] : contains(output.alarm_names, "faceflow-dev-${name}")])
    error_message = "what must be watched is watched"
  }
  assert {
    condition     = length(distinct(output.alarm_names)) == length(output.alarm_names)
    error_message = "alarms have names of their own"
  }
  assert {
    condition     = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.value), values(aws_cloudwatch_metric_alarm.share)) : contains(alarm.alarm_actions, aws_sns_topic.alarms.arn)])
    error_message = "every alarm tells somebody"
  }
  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == var.kms_key_arn
    error_message = "the topic is encrypted"
  }
  assert {
    condition     = length(aws_budgets_budget.month.notification) == 3 && aws_budgets_budget.month.limit_amount == "300"
    error_message = "a budget tells before it is spent"
  }
  assert {
    condition     = length(aws_budgets_budget.month.cost_filter) == 0
    error_message = "the budget is of all that the account spends, endpoints without tags included"
  }
  assert {
    condition     = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.main.dashboard_body).widgets : length(widget.properties.metrics) > 0])
    error_message = "the dashboard shows something everywhere"
  }
}

run "refuses_nobody" {
  command = plan
  module {
    source = "./modules/monitoring"
  }
  variables {
    alarm_emails = []
  }
  expect_failures = [var.alarm_emails]
}

run "refuses_no_budget" {
  command = plan
  module {
    source = "./modules/monitoring"
  }
  variables {
    budget_usd = 0
  }
  expect_failures = [var.budget_usd]
}
