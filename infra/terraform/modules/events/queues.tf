# Queues, each with a queue for what was tried in vain.

locals {
  queues = {
    # Uploads, told by S3; a few seconds are gathered into one start.
    ingestion = { visibility_seconds = 6 * local.functions["ingest"].timeout_seconds, tries = 5 }
    # Everything else that is done in the background.
    jobs = { visibility_seconds = 6 * local.functions["jobs"].timeout_seconds, tries = 5 }
  }
  arn     = "arn:${var.context.partition}"
  account = "${var.context.region}:${var.context.account_id}"
}

resource "aws_sqs_queue" "dead" {
  for_each                  = local.queues
  name                      = "${local.prefix}-${each.key}-dead"
  message_retention_seconds = 14 * 24 * 3600
  kms_master_key_id         = var.kms_key_arn
}

resource "aws_sqs_queue" "main" {
  for_each                   = local.queues
  name                       = "${local.prefix}-${each.key}"
  visibility_timeout_seconds = each.value.visibility_seconds
  message_retention_seconds  = 4 * 24 * 3600
  receive_wait_time_seconds  = 20
  kms_master_key_id          = var.kms_key_arn
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead[each.key].arn
    maxReceiveCount     = each.value.tries
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  for_each  = local.queues
  queue_url = aws_sqs_queue.dead[each.key].id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.main[each.key].arn]
  })
}

locals {
  queue_arns = merge(
    { for name, queue in aws_sqs_queue.main : name => "${local.arn}:sqs:${local.account}:${queue.name}" },
    { for name, queue in aws_sqs_queue.dead : "${name}-dead" => "${local.arn}:sqs:${local.account}:${queue.name}" },
  )
  # Rules that send to a queue.
  senders = {
    ingestion = ["uploaded"]
    jobs      = ["contract-changed", "ingestion-ended"]
  }
}

resource "aws_sqs_queue_policy" "main" {
  for_each  = local.queues
  queue_url = aws_sqs_queue.main[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid       = "RulesSend"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.queue_arns[each.key]
        Condition = {
          ArnEquals = {
            "aws:SourceArn" = [
              for rule in local.senders[each.key] :
              rule == "contract-changed"
              ? "${local.arn}:events:${local.account}:rule/${local.prefix}/${local.prefix}-${rule}"
              : "${local.arn}:events:${local.account}:rule/${local.prefix}-${rule}"
            ]
          }
        }
      }],
      each.key != "jobs" ? [] : [{
        Sid       = "BouncesArrive"
        Effect    = "Allow"
        Principal = { Service = "sns.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.queue_arns[each.key]
        Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.mail.arn } }
      }]
    )
  })
}
