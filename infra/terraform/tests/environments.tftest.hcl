# Production, whole; development is the same stack with other values. tests/infra checks policies,
# names and the state machine that this run makes.
mock_provider "aws" {
  source = "./tests/mocks"
}

mock_provider "aws" {
  alias  = "us_east_1"
  source = "./tests/mocks"
}

# Keys are told apart: policies name them.
override_resource {
  target = module.faceflow.module.iam.aws_kms_key.operations
  values = { arn = "arn:aws:kms:eu-west-1:111122223333:key/operations" }
}

override_resource {
  target = module.faceflow.module.ddb.aws_kms_key.table
  values = { arn = "arn:aws:kms:eu-west-1:111122223333:key/table" }
}

override_resource {
  target = module.faceflow.module.s3.aws_kms_key.data
  values = { arn = "arn:aws:kms:eu-west-1:111122223333:key/data" }
}

override_resource {
  target = module.faceflow.module.sagemaker.aws_kms_key.models
  values = { arn = "arn:aws:kms:eu-west-1:111122223333:key/models" }
}

variables {
  account_id  = "111122223333"
  image_tags  = { api = "api-1.0.0", workers = "workers-1.0.0", pipeline = "deployer-1.0.0", detection = "1.0.0" }
  signer      = "one"
  mail_domain = "example.org"
  signer_public_keys = {
    one = "-----BEGIN PUBLIC KEY-----\nMOCKED\n-----END PUBLIC KEY-----\n"
  }
  alarm_emails = ["operations@example.org"]
}

run "prod" {
  module {
    source = "./envs/prod"
  }
  variables {
    domain = {
      name            = "photos.example.org"
      certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
    }
    endpoints_live = true
    mail_verified  = true
  }
  assert {
    condition = alltrue([
      for name in ["raw", "derived", "embeddings", "exports"] : strcontains(join(" ", [
        output.raw_bucket, output.derived_bucket, output.embeddings_bucket, output.exports_bucket
      ]), "faceflow-prod-${name}-111122223333")
    ])
    error_message = "the buckets are named in the outputs"
  }
  assert {
    condition     = output.ddb_table == "faceflow-prod"
    error_message = "the table is named in the outputs"
  }
  assert {
    condition     = output.api_url == "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/main"
    error_message = "the API's URL is in the outputs"
  }
  assert {
    condition     = output.ws_url == "wss://f6g7h8i9j0.execute-api.eu-west-1.amazonaws.com/main"
    error_message = "the WebSocket's URL is in the outputs"
  }
  assert {
    condition     = startswith(output.cognito_pool_ids.domain, "faceflow-prod-111122223333.auth.")
    error_message = "the sign-in pages are in the outputs"
  }
  assert {
    condition     = output.cognito_pool_ids.user_pool == "eu-west-1_Mocked123"
    error_message = "the user pool is in the outputs"
  }
  assert {
    condition     = length(distinct(output.alarm_names)) == length(output.alarm_names)
    error_message = "alarms have names of their own"
  }
  assert {
    condition     = output.app_url == "https://photos.example.org"
    error_message = "people reach the application by its name"
  }
  assert {
    condition     = output.mlflow_arn != null
    error_message = "production tracks its trainings"
  }
}
