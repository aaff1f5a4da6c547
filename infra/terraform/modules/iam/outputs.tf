output "function_role_arns" {
  description = "Role of each function, by its name."
  value       = { for name, role in aws_iam_role.function : name => role.arn }
  depends_on  = [aws_iam_role_policy.runtime]
}

output "service_role_arns" {
  description = "Roles of services: pipeline, states, scheduler, task, execution."
  value       = { for name, role in aws_iam_role.service : name => role.arn }
}

output "kms_key_arn" {
  description = "Key of queues, topics, logs, environment variables and secrets."
  value       = aws_kms_key.operations.arn
}
