# The application's single table: api/repositories/table.py names its keys and indexes.

resource "aws_kms_key" "table" {
  description             = "${local.prefix}: the table"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_kms_alias" "table" {
  name          = "alias/${local.prefix}-table"
  target_key_id = aws_kms_key.table.key_id
}

resource "aws_dynamodb_table" "main" {
  name                        = local.prefix
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = toset(["pk", "sk", "createdAt", "gsi1pk", "gsi1sk", "gsi2pk", "gsi2sk"])
    content {
      name = attribute.value
      type = "S"
    }
  }

  local_secondary_index {
    name            = "LSI1"
    range_key       = "createdAt"
    projection_type = "ALL"
  }

  global_secondary_index {
    name            = "GSI1"
    hash_key        = "gsi1pk"
    range_key       = "gsi1sk"
    projection_type = "ALL"
  }

  global_secondary_index {
    name            = "GSI2"
    hash_key        = "gsi2pk"
    range_key       = "gsi2sk"
    projection_type = "ALL"
  }

  dynamic "on_demand_throughput" {
    for_each = var.max_request_units == null ? [] : [var.max_request_units]
    content {
      max_read_request_units  = on_demand_throughput.value
      max_write_request_units = on_demand_throughput.value
    }
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }

  point_in_time_recovery {
    enabled                 = true
    recovery_period_in_days = var.recovery_days
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.table.arn
  }
}
