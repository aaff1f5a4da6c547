locals {
  widgets = concat(
    [
      {
        title = "API: calls and errors", metrics = [
          ["AWS/ApiGateway", "Count", "ApiName", var.api_name, { stat = "Sum" }],
          ["AWS/ApiGateway", "5XXError", "ApiName", var.api_name, { stat = "Sum" }],
          ["AWS/ApiGateway", "4XXError", "ApiName", var.api_name, { stat = "Sum" }],
        ]
      },
      {
        title = "API: latency, ms", metrics = [
          for statistic in ["p50", "p90", "p99"] :
          ["AWS/ApiGateway", "Latency", "ApiName", var.api_name, { stat = statistic }]
        ]
      },
      {
        title = "Ingestion", metrics = [
          for metric in ["ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut"] :
          ["AWS/States", metric, "StateMachineArn", var.state_machine_arn, { stat = "Sum" }]
        ]
      },
      {
        title = "Queues: age of the oldest message, s", metrics = [
          for name in ["ingestion", "jobs"] :
          ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.queue_names[name], { stat = "Maximum" }]
        ]
      },
      {
        title = "Queues: tried in vain", metrics = [
          for name in ["ingestion-dead", "jobs-dead"] :
          ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.queue_names[name], { stat = "Maximum" }]
        ]
      },
      {
        title = "Functions: time, p99 ms", metrics = [
          for name in values(var.function_names) : ["AWS/Lambda", "Duration", "FunctionName", name, { stat = "p99" }]
        ]
      },
      {
        title = "Functions: errors", metrics = [
          for name in values(var.function_names) : ["AWS/Lambda", "Errors", "FunctionName", name, { stat = "Sum" }]
        ]
      },
      {
        title = "Table: capacity units", metrics = [
          for metric in ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"] :
          ["AWS/DynamoDB", metric, "TableName", var.table_name, { stat = "Sum" }]
        ]
      },
    ],
    [
      for kind, variant in local.variants : {
        title = "Endpoint: ${kind}", metrics = [
          for metric, statistic in { ModelLatency = "p99", Invocations = "Sum", Invocation5XXErrors = "Sum" } :
          ["AWS/SageMaker", metric, "EndpointName", variant.EndpointName, "VariantName", variant.VariantName,
          { stat = statistic, yAxis = metric == "ModelLatency" ? "right" : "left" }]
        ]
      }
    ],
  )
}

resource "aws_cloudwatch_dashboard" "main" {
  dashboard_name = local.prefix
  dashboard_body = jsonencode({
    widgets = [
      for place, widget in local.widgets : {
        type   = "metric"
        x      = 12 * (place % 2)
        y      = 6 * floor(place / 2)
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          region  = var.context.region
          view    = "timeSeries"
          period  = 60
          metrics = widget.metrics
        }
      }
    ]
  })
}
