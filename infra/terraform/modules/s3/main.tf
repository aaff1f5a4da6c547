# Four buckets with the same object keys (api/objects/keys.py); what lies under a key decides which
# bucket it is in: originals in raw, thumbnails, crops and people's states in derived, vectors in
# embeddings, shares in exports. Access logs go to a fifth.

locals {
  buckets = {
    raw = { versioned = true, expire_days = null }
    # Where originals are not kept, thumbnails and crops cannot be made again.
    derived    = { versioned = true, expire_days = null }
    embeddings = { versioned = true, expire_days = null }
    exports    = { versioned = false, expire_days = var.export_days }
  }
}

resource "aws_kms_key" "data" {
  description             = "${local.prefix}: objects"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid       = "AccountAdministers"
        Effect    = "Allow"
        Principal = { AWS = "arn:${var.context.partition}:iam::${var.context.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      }],
      var.distribution_arn == null ? [] : [{
        Sid       = "CloudFrontReads"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = ["kms:Decrypt"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceArn" = var.distribution_arn } }
      }]
    )
  })
}

resource "aws_kms_alias" "data" {
  name          = "alias/${local.prefix}-data"
  target_key_id = aws_kms_key.data.key_id
}

resource "aws_s3_bucket" "data" {
  #checkov:skip=CKV_AWS_21:Versions are kept where what is lost cannot be made again; exports can
  for_each      = local.buckets
  bucket        = "${local.prefix}-${each.key}-${var.context.account_id}"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_ownership_controls" "data" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.data[each.key].id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "data" {
  for_each                = local.buckets
  bucket                  = aws_s3_bucket.data[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "data" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.data[each.key].id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.data.arn
    }
  }
}

resource "aws_s3_bucket_versioning" "data" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.data[each.key].id
  versioning_configuration {
    status = each.value.versioned ? "Enabled" : "Suspended"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "data" {
  #checkov:skip=CKV_AWS_300:The rule unfinished-uploads ends them in every bucket
  for_each   = local.buckets
  bucket     = aws_s3_bucket.data[each.key].id
  depends_on = [aws_s3_bucket_versioning.data]

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }

  # A person who erases an account is promised that nothing stays: old versions are short-lived.
  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = var.old_version_days
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  dynamic "rule" {
    for_each = each.value.expire_days == null ? [] : [each.value.expire_days]
    content {
      id     = "exports-expire"
      status = "Enabled"
      filter {
        prefix = "tenant/"
      }
      expiration {
        days = rule.value
      }
    }
  }

  dynamic "rule" {
    for_each = each.key == "raw" ? [1] : []
    content {
      id     = "originals-cool"
      status = "Enabled"
      filter {
        prefix = "tenant/"
      }
      transition {
        days          = 30
        storage_class = "INTELLIGENT_TIERING"
      }
    }
  }
}

resource "aws_s3_bucket_policy" "data" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.data[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid       = "OnlyTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.data[each.key].arn, "${aws_s3_bucket.data[each.key].arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "OnlyOurKey"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${aws_s3_bucket.data[each.key].arn}/*"
        # An upload that names no key gets the bucket's own, which is ours.
        Condition = {
          StringNotEqualsIfExists = {
            "s3:x-amz-server-side-encryption-aws-kms-key-id" = aws_kms_key.data.arn
          }
          Null = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = "false" }
        }
      }],
      var.distribution_arn == null || each.key == "embeddings" ? [] : [{
        Sid       = "CloudFrontReads"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = "s3:GetObject"
        Resource  = "${aws_s3_bucket.data[each.key].arn}/tenant/*"
        Condition = { StringEquals = { "aws:SourceArn" = var.distribution_arn } }
        },
        {
          # Without it S3 says 403 of what is not there.
          Sid       = "CloudFrontLists"
          Effect    = "Allow"
          Principal = { Service = "cloudfront.amazonaws.com" }
          Action    = "s3:ListBucket"
          Resource  = aws_s3_bucket.data[each.key].arn
          Condition = { StringEquals = { "aws:SourceArn" = var.distribution_arn } }
      }]
    )
  })
  depends_on = [aws_s3_bucket_public_access_block.data]
}

resource "aws_s3_bucket_cors_configuration" "raw" {
  count  = length(var.web_origins) > 0 ? 1 : 0
  bucket = aws_s3_bucket.data["raw"].id
  cors_rule {
    allowed_methods = ["PUT"]
    allowed_origins = var.web_origins
    allowed_headers = ["content-type", "content-length", "if-none-match", "x-amz-*"]
    expose_headers  = ["ETag"]
    max_age_seconds = 3600
  }
}

resource "aws_s3_bucket_notification" "raw" {
  bucket      = aws_s3_bucket.data["raw"].id
  eventbridge = true
}

resource "aws_s3_bucket_logging" "data" {
  for_each      = local.buckets
  bucket        = aws_s3_bucket.data[each.key].id
  target_bucket = aws_s3_bucket.logs.id
  target_prefix = "s3/${each.key}/"
  # S3 asks whether it may write there.
  depends_on = [aws_s3_bucket_policy.logs]
}
