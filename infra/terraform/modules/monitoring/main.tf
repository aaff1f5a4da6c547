# Alarms to one topic, a dashboard, a budget. RUNBOOK.md says what to do for each alarm.

resource "aws_sns_topic" "alarms" {
  name              = "${local.prefix}-alarms"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "ServicesTell"
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alarms.arn
      Condition = { StringEquals = { "aws:SourceAccount" = var.context.account_id } }
    }]
  })
}

resource "aws_sns_topic_subscription" "mail" {
  for_each  = toset(var.alarm_emails)
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

locals {
  variants = { for kind, name in var.endpoint_names : kind => { EndpointName = name, VariantName = "all" } }

  # One metric against one threshold. periods: minutes that are looked at, all of them above it.
  alarms = merge(
    {
      "api-latency" = {
        about      = "99th percentile of the API's latency, ms", namespace = "AWS/ApiGateway", metric = "Latency"
        dimensions = { ApiName = var.api_name }, statistic = "p99", threshold = var.api_latency_ms, periods = 5, seconds = 60
      }
      "ingestion-failed" = {
        about      = "Ingestions that failed", namespace = "AWS/States", metric = "ExecutionsFailed"
        dimensions = { StateMachineArn = var.state_machine_arn }, statistic = "Sum", threshold = 0, periods = 1, seconds = 300
      }
      "ingestion-timed-out" = {
        about      = "Ingestions that took too long", namespace = "AWS/States", metric = "ExecutionsTimedOut"
        dimensions = { StateMachineArn = var.state_machine_arn }, statistic = "Sum", threshold = 0, periods = 1, seconds = 300
      }
    },
    {
      # Not ThrottledRequests: that is counted for each operation apart, and never for the table.
      for kind, metric in { reads = "ReadThrottleEvents", writes = "WriteThrottleEvents" } :
      "table-${kind}-throttled" => {
        about      = "${title(kind)} that the table refused", namespace = "AWS/DynamoDB", metric = metric
        dimensions = { TableName = var.table_name }, statistic = "Sum", threshold = 10, periods = 5, seconds = 60
      }
    },
    {
      for name in ["ingestion", "jobs"] : "${name}-age" => {
        about      = "Age of the oldest message of the queue ${name}, s", namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage"
        dimensions = { QueueName = var.queue_names[name] }, statistic = "Maximum", threshold = var.queue_age_seconds, periods = 5, seconds = 60
      }
    },
    {
      for name in ["ingestion-dead", "jobs-dead"] : "${name}-depth" => {
        about      = "Messages that were tried in vain: ${name}", namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible"
        dimensions = { QueueName = var.queue_names[name] }, statistic = "Maximum", threshold = 0, periods = 1, seconds = 60
      }
    },
    {
      for kind, variant in local.variants : "${kind}-latency" => {
        about      = "99th percentile of the ${kind}'s latency, microseconds", namespace = "AWS/SageMaker", metric = "ModelLatency"
        dimensions = variant, statistic = "p99", threshold = var.endpoint_latency_ms * 1000, periods = 5, seconds = 60
      }
    },
    {
      for function, name in var.function_names : "function-${function}-throttled" => {
        about      = "Invocations of ${function} that Lambda refused", namespace = "AWS/Lambda", metric = "Throttles"
        dimensions = { FunctionName = name }, statistic = "Sum", threshold = 10, periods = 5, seconds = 60
      }
    },
  )

  # A share of failures, in percent of what was asked.
  shares = merge(
    {
      "api-errors" = {
        about      = "Share of the API's answers that are 5xx, percent", namespace = "AWS/ApiGateway", failed = "5XXError", asked = "Count"
        dimensions = { ApiName = var.api_name }
      }
    },
    {
      for kind, variant in local.variants : "${kind}-errors" => {
        about      = "Share of the ${kind}'s answers that are 5xx, percent", namespace = "AWS/SageMaker"
        failed     = "Invocation5XXErrors", asked = "Invocations"
        dimensions = variant
      }
    },
    {
      for function, name in var.function_names : "function-${function}-errors" => {
        about      = "Share of invocations of ${function} that failed, percent", namespace = "AWS/Lambda", failed = "Errors", asked = "Invocations"
        dimensions = { FunctionName = name }
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "value" {
  for_each            = local.alarms
  alarm_name          = "${local.prefix}-${each.key}"
  alarm_description   = each.value.about
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  period              = each.value.seconds
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.periods
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "share" {
  for_each            = local.shares
  alarm_name          = "${local.prefix}-${each.key}"
  alarm_description   = each.value.about
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  threshold           = var.error_percent
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "share"
    expression  = "IF(asked > 0, 100 * failed / asked, 0)"
    label       = each.value.about
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { failed = each.value.failed, asked = each.value.asked }
    content {
      id = metric_query.key
      metric {
        namespace   = each.value.namespace
        metric_name = metric_query.value
        dimensions  = each.value.dimensions
        stat        = "Sum"
        period      = 60
      }
    }
  }
}

# Of the whole account, which is the environment's: endpoints, trainings and Processing jobs are not
# Terraform's and carry none of its tags, so that a filter would leave out what costs most.
resource "aws_budgets_budget" "month" {
  name         = "${local.prefix}-month"
  budget_type  = "COST"
  limit_amount = tostring(var.budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  dynamic "notification" {
    for_each = [
      { kind = "ACTUAL", percent = 80 },
      { kind = "ACTUAL", percent = 100 },
      { kind = "FORECASTED", percent = 100 },
    ]
    content {
      notification_type         = notification.value.kind
      threshold                 = notification.value.percent
      threshold_type            = "PERCENTAGE"
      comparison_operator       = "GREATER_THAN"
      subscriber_sns_topic_arns = [aws_sns_topic.alarms.arn]
    }
  }
}
