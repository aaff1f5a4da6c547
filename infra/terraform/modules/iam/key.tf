# The key of what moves and what is told: queues, topics, logs, environment variables, secrets.

resource "aws_kms_key" "operations" {
  description             = "${local.prefix}: queues, topics, logs, secrets"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AccountAdministers"
        Effect    = "Allow"
        Principal = { AWS = "${local.arn}:iam::${var.context.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "LogsEncrypt"
        Effect    = "Allow"
        Principal = { Service = "logs.${var.context.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:DescribeKey"]
        Resource  = "*"
        Condition = {
          ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "${local.arn}:logs:${local.account}:*" }
        }
      },
      # The state machine's log comes encrypted with this key, from who runs it to who writes it.
      {
        Sid       = "LogsOfExecutionsArrive"
        Effect    = "Allow"
        Principal = { Service = "delivery.logs.amazonaws.com" }
        Action    = ["kms:Decrypt"]
        Resource  = "*"
        Condition = {
          StringLike = { "kms:EncryptionContext:SourceArn" = "${local.arn}:logs:${local.account}:*" }
        }
      },
      {
        Sid    = "ServicesSend"
        Effect = "Allow"
        Principal = {
          Service = [
            "events.amazonaws.com", "sns.amazonaws.com", "cloudwatch.amazonaws.com",
            "budgets.amazonaws.com", "ses.amazonaws.com",
          ]
        }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = var.context.account_id } }
      }
    ]
  })
}

resource "aws_kms_alias" "operations" {
  name          = "alias/${local.prefix}-operations"
  target_key_id = aws_kms_key.operations.key_id
}
