output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.function.function_name
}

output "arn" {
  description = "ARN of the function."
  value       = "arn:${var.context.partition}:lambda:${var.context.region}:${var.context.account_id}:function:${aws_lambda_function.function.function_name}"
}

output "invoke_arn" {
  description = "What API Gateway integrates."
  value       = aws_lambda_function.function.invoke_arn
}
