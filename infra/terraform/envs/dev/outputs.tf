output "raw_bucket" {
  description = "Originals."
  value       = module.faceflow.raw_bucket
}

output "derived_bucket" {
  description = "Thumbnails, crops, states of people."
  value       = module.faceflow.derived_bucket
}

output "embeddings_bucket" {
  description = "Vectors."
  value       = module.faceflow.embeddings_bucket
}

output "exports_bucket" {
  description = "What is made for shares."
  value       = module.faceflow.exports_bucket
}

output "models_bucket" {
  description = "Training data and models."
  value       = module.faceflow.models_bucket
}

output "ddb_table" {
  description = "The application's table."
  value       = module.faceflow.ddb_table
}

output "app_url" {
  description = "Where people reach the application."
  value       = module.faceflow.app_url
}

output "api_url" {
  description = "The HTTP API for integrations."
  value       = module.faceflow.api_url
}

output "ws_url" {
  description = "The WebSocket API."
  value       = module.faceflow.ws_url
}

output "cognito_pool_ids" {
  description = "User pool, client, and host of the sign-in pages."
  value       = module.faceflow.cognito_pool_ids
}

output "repository_urls" {
  description = "Where images are pushed."
  value       = module.faceflow.repository_urls
}

output "state_machine_arn" {
  description = "The ingestion state machine."
  value       = module.faceflow.state_machine_arn
}

output "queue_urls" {
  description = "Queues."
  value       = module.faceflow.queue_urls
}

output "pipeline_role_arn" {
  description = "`role` of the pipeline's configuration."
  value       = module.faceflow.pipeline_role_arn
}

output "pipeline_arn" {
  description = "The pipeline that the schedule starts."
  value       = module.faceflow.pipeline_arn
}

output "mlflow_arn" {
  description = "`mlflow_arn` of the pipeline's configuration; null without a server."
  value       = module.faceflow.mlflow_arn
}

output "signer_key_ids" {
  description = "Key-Pair-Id of signed URLs, by the names of the keys."
  value       = module.faceflow.signer_key_ids
}

output "alarm_topic_arn" {
  description = "Where alarms go."
  value       = module.faceflow.alarm_topic_arn
}

output "alarm_names" {
  description = "Every alarm."
  value       = module.faceflow.alarm_names
}

output "image_tags" {
  description = "Tags of the images that run."
  value       = module.faceflow.image_tags
}
