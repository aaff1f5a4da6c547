output "api_url" {
  description = "The HTTP API for integrations, which send their x-api-key."
  value       = "https://${local.api_host}/${aws_api_gateway_stage.main.stage_name}"
}

output "api_host" {
  description = "Its host, for CloudFront."
  value       = local.api_host
}

output "api_name" {
  description = "Its name: dimension of its metrics."
  value       = aws_api_gateway_rest_api.main.name
}

output "ws_url" {
  description = "The WebSocket API."
  value       = local.events_url
}

output "sockets_arn" {
  description = "Connections of the WebSocket API, for IAM."
  value       = "${local.arn}:execute-api:${local.account}:${aws_apigatewayv2_api.sockets.id}/${local.socket_stage}/POST/@connections/*"
}

output "web_key" {
  description = "The key that CloudFront sends: counts calls, proves nothing."
  value       = aws_api_gateway_api_key.plan["web"].value
  sensitive   = true
}

output "function_names" {
  description = "The functions, by what they do."
  value       = { api = module.function.name, sockets = module.sockets.name }
}

locals {
  api_host = "${aws_api_gateway_rest_api.main.id}.execute-api.${var.context.region}.amazonaws.com"
}
