mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  context = {
    project     = "faceflow"
    environment = "dev"
    region      = "eu-west-1"
    account_id  = "111122223333"
    partition   = "aws"
  }
  web_origins      = ["https://photos.example.org"]
  distribution_arn = "arn:aws:cloudfront::111122223333:distribution/E123"
}

run "buckets" {
  module {
    source = "./modules/s3"
  }
  assert {
    condition     = join(" ", keys(output.buckets)) == "derived embeddings exports raw"
    error_message = "there are the four buckets of the application"
  }
  assert {
    condition     = output.buckets.raw == "faceflow-dev-raw-111122223333"
    error_message = "names hold project, environment and account"
  }
  assert {
    condition = alltrue([
      for block in concat(values(aws_s3_bucket_public_access_block.data), [aws_s3_bucket_public_access_block.logs]) :
      block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets
    ])
    error_message = "no bucket is public"
  }
  assert {
    condition = alltrue([
      for sse in aws_s3_bucket_server_side_encryption_configuration.data :
      one(sse.rule).apply_server_side_encryption_by_default[0].kms_master_key_id == aws_kms_key.data.arn
    ])
    error_message = "every bucket is encrypted with our key"
  }
  assert {
    condition = alltrue([
      for policy in aws_s3_bucket_policy.data :
      contains([for s in jsondecode(policy.policy).Statement : s.Sid], "OnlyTls")
    ])
    error_message = "every bucket refuses plain HTTP"
  }
  assert {
    condition     = !strcontains(aws_s3_bucket_policy.data["embeddings"].policy, "cloudfront")
    error_message = "vectors are never served"
  }
  assert {
    condition     = aws_s3_bucket_notification.raw.eventbridge
    error_message = "uploads are told to EventBridge"
  }
  assert {
    condition = alltrue([
      for lifecycle in aws_s3_bucket_lifecycle_configuration.data :
      contains([for rule in lifecycle.rule : rule.id], "unfinished-uploads")
    ])
    error_message = "unfinished uploads vanish"
  }
  assert {
    condition     = aws_s3_bucket_cors_configuration.raw[0].cors_rule != null
    error_message = "the web client may upload"
  }
}

run "refuses_every_origin" {
  command = plan
  module {
    source = "./modules/s3"
  }
  variables {
    web_origins = ["*"]
  }
  expect_failures = [var.web_origins]
}
