output "models_bucket" {
  description = "Bucket of training data and models: `store` of the pipeline's configuration."
  value       = aws_s3_bucket.models.bucket
}

output "models_bucket_arn" {
  description = "Its ARN."
  value       = "arn:${var.context.partition}:s3:::${aws_s3_bucket.models.bucket}"
}

output "corrections_uri" {
  description = "Where the application publishes corrections and the weekly pipeline reads them: its CorrectionsUri."
  value       = "s3://${aws_s3_bucket.models.bucket}/${local.corrections}"
}

output "kms_key_arn" {
  description = "Its key."
  value       = aws_kms_key.models.arn
}

output "repository_arns" {
  description = "ECR repositories: api, detection, embedding."
  value = {
    for name, repository in aws_ecr_repository.image :
    name => "arn:${var.context.partition}:ecr:${var.context.region}:${var.context.account_id}:repository/${repository.name}"
  }
}

output "repository_urls" {
  description = "Where their images are pushed."
  value = {
    for name, repository in aws_ecr_repository.image :
    name => "${var.context.account_id}.dkr.ecr.${var.context.region}.amazonaws.com/${repository.name}"
  }
}

output "pipeline_arn" {
  description = "The pipeline that the schedule starts."
  value       = "arn:${var.context.partition}:sagemaker:${var.context.region}:${var.context.account_id}:pipeline/${var.pipeline_name}"
}

output "mlflow_arn" {
  description = "The tracking server; null without one."
  value       = one(aws_sagemaker_mlflow_tracking_server.main[*].arn)
}

output "model_groups" {
  description = "Model package groups."
  value       = { for kind, group in aws_sagemaker_model_package_group.model : kind => group.model_package_group_name }
}
