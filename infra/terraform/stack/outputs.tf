output "raw_bucket" {
  description = "Originals."
  value       = module.s3.buckets["raw"]
}

output "derived_bucket" {
  description = "Thumbnails, crops, states of people."
  value       = module.s3.buckets["derived"]
}

output "embeddings_bucket" {
  description = "Vectors."
  value       = module.s3.buckets["embeddings"]
}

output "exports_bucket" {
  description = "What is made for shares."
  value       = module.s3.buckets["exports"]
}

output "models_bucket" {
  description = "Training data and models."
  value       = module.sagemaker.models_bucket
}

output "ddb_table" {
  description = "The application's table."
  value       = module.ddb.table_name
}

output "app_url" {
  description = "Where people reach the application."
  value       = module.cf.url
}

output "api_url" {
  description = "The HTTP API for integrations."
  value       = module.api.api_url
}

output "ws_url" {
  description = "The WebSocket API."
  value       = module.api.ws_url
}

output "cognito_pool_ids" {
  description = "User pool, client, and host of the sign-in pages."
  value       = module.auth.pool_ids
}

output "repository_urls" {
  description = "Where images are pushed."
  value       = module.sagemaker.repository_urls
}

output "state_machine_arn" {
  description = "The ingestion state machine."
  value       = module.events.state_machine_arn
}

output "queue_urls" {
  description = "Queues."
  value       = module.events.queue_urls
}

output "pipeline_role_arn" {
  description = "`role` of the pipeline's configuration."
  value       = module.iam.service_role_arns["pipeline"]
}

output "pipeline_arn" {
  description = "The pipeline that the schedule starts."
  value       = module.sagemaker.pipeline_arn
}

output "mlflow_arn" {
  description = "`mlflow_arn` of the pipeline's configuration; null without a server."
  value       = module.sagemaker.mlflow_arn
}

output "signer_key_ids" {
  description = "Key-Pair-Id of signed URLs, by the names of the keys."
  value       = module.cf.signer_key_ids
}

output "alarm_topic_arn" {
  description = "Where alarms go."
  value       = module.monitoring.alarm_topic_arn
}

output "alarm_names" {
  description = "Every alarm."
  value       = module.monitoring.alarm_names
}

output "image_tags" {
  description = "Tags of the images that run."
  value       = var.image_tags
}
