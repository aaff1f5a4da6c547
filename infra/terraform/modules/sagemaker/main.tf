# What the pipeline and the endpoints need. The pipeline itself comes from `faceflow-ml pipeline
# run --sagemaker`, the endpoints from an approval of a model: both change with every model, which
# Terraform must not undo.

locals {
  corrections = "corrections"
}

resource "aws_kms_key" "models" {
  description             = "${local.prefix}: training data, models, Studio"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_kms_alias" "models" {
  name          = "alias/${local.prefix}-models"
  target_key_id = aws_kms_key.models.key_id
}

resource "aws_s3_bucket" "models" {
  #checkov:skip=CKV_AWS_18:Jobs of the pipeline alone read it; CloudTrail has their calls
  bucket        = "${local.prefix}-models-${var.context.account_id}"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_ownership_controls" "models" {
  bucket = aws_s3_bucket.models.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "models" {
  bucket                  = aws_s3_bucket.models.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "models" {
  bucket = aws_s3_bucket.models.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.models.arn
    }
  }
}

resource "aws_s3_bucket_versioning" "models" {
  bucket = aws_s3_bucket.models.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "models" {
  bucket     = aws_s3_bucket.models.id
  depends_on = [aws_s3_bucket_versioning.models]
  rule {
    id     = "tidy"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
    noncurrent_version_expiration {
      noncurrent_days = 90
    }
  }
  # People's corrections, which they may take back: what was replaced does not stay.
  rule {
    id     = "corrections"
    status = "Enabled"
    filter {
      prefix = "${local.corrections}/"
    }
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
    expiration {
      expired_object_delete_marker = true
    }
  }
}

resource "aws_s3_bucket_policy" "models" {
  bucket = aws_s3_bucket.models.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.models.arn, "${aws_s3_bucket.models.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_ecr_repository" "image" {
  for_each             = { api = "api", detection = "detection", embedding = "embedding" }
  name                 = "${var.context.project}-${each.value}"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_destroy
  image_scanning_configuration {
    scan_on_push = true
  }
  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = aws_kms_key.models.arn
  }
}

resource "aws_ecr_lifecycle_policy" "image" {
  for_each   = aws_ecr_repository.image
  repository = each.value.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Images without a tag"
      selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 14 }
      action       = { type = "expire" }
    }]
  })
}

# Lambda pulls with its own principal.
resource "aws_ecr_repository_policy" "lambda" {
  for_each   = { for name in ["api", "detection"] : name => aws_ecr_repository.image[name] }
  repository = each.value.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "LambdaPulls"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Condition = {
        ArnLike = {
          "aws:SourceArn" = "arn:${var.context.partition}:lambda:${var.context.region}:${var.context.account_id}:function:${local.prefix}-*"
        }
      }
    }]
  })
}

resource "aws_sagemaker_model_package_group" "model" {
  for_each                        = var.model_groups
  model_package_group_name        = each.value
  model_package_group_description = "FaceFlow's ${each.key}"
}

resource "aws_sagemaker_mlflow_tracking_server" "main" {
  count                           = var.mlflow_size == null ? 0 : 1
  tracking_server_name            = local.prefix
  tracking_server_size            = var.mlflow_size
  artifact_store_uri              = "s3://${aws_s3_bucket.models.bucket}/mlflow"
  role_arn                        = var.pipeline_role_arn
  automatic_model_registration    = false
  weekly_maintenance_window_start = "Tue:03:30"
}

resource "aws_sagemaker_domain" "studio" {
  count                   = var.studio ? 1 : 0
  domain_name             = local.prefix
  auth_mode               = "IAM"
  vpc_id                  = var.vpc.id
  subnet_ids              = var.vpc.subnet_ids
  app_network_access_type = "VpcOnly"
  kms_key_id              = aws_kms_key.models.arn
  default_user_settings {
    execution_role  = var.pipeline_role_arn
    security_groups = var.vpc.security_group_ids
  }
  retention_policy {
    home_efs_file_system = "Retain"
  }
}

# The endpoints grow and shrink with the photos. They exist after the first approval.
resource "aws_appautoscaling_target" "endpoint" {
  for_each           = var.endpoints_live ? var.endpoint_names : {}
  service_namespace  = "sagemaker"
  scalable_dimension = "sagemaker:variant:DesiredInstanceCount"
  resource_id        = "endpoint/${each.value}/variant/all"
  min_capacity       = var.endpoint_instances.min
  max_capacity       = var.endpoint_instances.max
}

resource "aws_appautoscaling_policy" "endpoint" {
  for_each           = aws_appautoscaling_target.endpoint
  name               = "${var.endpoint_names[each.key]}-invocations"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = each.value.service_namespace
  scalable_dimension = each.value.scalable_dimension
  resource_id        = each.value.resource_id
  target_tracking_scaling_policy_configuration {
    target_value       = var.endpoint_instances.invocations_per_minute
    scale_in_cooldown  = 300
    scale_out_cooldown = 60
    predefined_metric_specification {
      predefined_metric_type = "SageMakerVariantInvocationsPerInstance"
    }
  }
}
