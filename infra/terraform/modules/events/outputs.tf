output "queue_arns" {
  description = "Queues: ingestion, jobs, and each one's -dead."
  value       = local.queue_arns
}

output "queue_names" {
  description = "Their names."
  value = merge(
    { for name, queue in aws_sqs_queue.main : name => queue.name },
    { for name, queue in aws_sqs_queue.dead : "${name}-dead" => queue.name },
  )
}

output "queue_urls" {
  description = "URLs of the queues that are sent to."
  value       = { for name, queue in aws_sqs_queue.main : name => queue.url }
}

output "state_machine_arn" {
  description = "The ingestion state machine."
  value       = local.state_machine_arn
}

output "event_bus_arn" {
  description = "The application's event bus."
  value       = "${local.arn}:events:${local.account}:event-bus/${aws_cloudwatch_event_bus.main.name}"
}

output "event_bus_name" {
  description = "Its name."
  value       = aws_cloudwatch_event_bus.main.name
}

output "function_names" {
  description = "The functions, by what they do."
  value       = { for name, function in module.function : name => function.name }
}

output "mail_arns" {
  description = "Identity and configuration set that mail is sent with."
  value = [
    "${local.arn}:ses:${local.account}:identity/${aws_sesv2_email_identity.sender.email_identity}",
    "${local.arn}:ses:${local.account}:configuration-set/${aws_sesv2_configuration_set.main.configuration_set_name}",
  ]
}

output "mail_configuration_set" {
  description = "Configuration set of mails: bounces come back by it."
  value       = aws_sesv2_configuration_set.main.configuration_set_name
}
