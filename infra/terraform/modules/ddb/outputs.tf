output "table_name" {
  description = "Name of the table."
  value       = aws_dynamodb_table.main.name
}

output "table_arn" {
  description = "ARN of the table; its indexes are under it."
  value       = "arn:${var.context.partition}:dynamodb:${var.context.region}:${var.context.account_id}:table/${aws_dynamodb_table.main.name}"
}

output "kms_key_arn" {
  description = "The key that the table is encrypted with."
  value       = aws_kms_key.table.arn
}
