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
  table_arn         = "arn:aws:dynamodb:eu-west-1:111122223333:table/faceflow-dev"
  table_key_arn     = "arn:aws:kms:eu-west-1:111122223333:key/11111111-1111-1111-1111-111111111111"
  data_key_arn      = "arn:aws:kms:eu-west-1:111122223333:key/11111111-1111-1111-1111-111111111111"
  models_key_arn    = "arn:aws:kms:eu-west-1:111122223333:key/11111111-1111-1111-1111-111111111111"
  models_bucket_arn = "arn:aws:s3:::models"
  corrections_uri   = "s3://models/faceflow/corrections"
  bucket_arns = {
    raw        = "arn:aws:s3:::raw"
    derived    = "arn:aws:s3:::derived"
    embeddings = "arn:aws:s3:::embeddings"
    exports    = "arn:aws:s3:::exports"
  }
  queue_arns = {
    ingestion   = "arn:aws:sqs:eu-west-1:111122223333:ingestion"
    jobs        = "arn:aws:sqs:eu-west-1:111122223333:jobs"
    "jobs-dead" = "arn:aws:sqs:eu-west-1:111122223333:jobs-dead"
  }
  state_machine_arn = "arn:aws:states:eu-west-1:111122223333:stateMachine:faceflow-dev-ingestion"
  event_bus_arn     = "arn:aws:events:eu-west-1:111122223333:event-bus/faceflow-dev"
  sockets_arn       = "arn:aws:execute-api:eu-west-1:111122223333:a1/main/POST/@connections/*"
  secret_arns       = { "signing-keys" = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:keys" }
  mail_arns         = ["arn:aws:ses:eu-west-1:111122223333:identity/example.org"]
  user_pool_arn     = "arn:aws:cognito-idp:eu-west-1:111122223333:userpool/eu-west-1_Mocked123"
  repository_arns = {
    api       = "arn:aws:ecr:eu-west-1:111122223333:repository/api"
    detection = "arn:aws:ecr:eu-west-1:111122223333:repository/detection"
    embedding = "arn:aws:ecr:eu-west-1:111122223333:repository/embedding"
  }
  endpoint_names = { detector = "faceflow-detection", embedder = "faceflow-embedding" }
  model_groups   = { detector = "faceflow-detector", embedder = "faceflow-embedder" }
  pipeline_arn   = "arn:aws:sagemaker:eu-west-1:111122223333:pipeline/faceflow"
}

run "roles" {
  module {
    source = "./modules/iam"
  }
  assert {
    condition     = length(distinct([for role in aws_iam_role.function : role.name])) == length(local.functions)
    error_message = "each function has a role of its own"
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.function["deduplicate"].policy, "arn:aws:s3:::embeddings")
    error_message = "de-duplication touches no vectors"
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.function["detect"].policy).Statement :
      !contains(statement.Action, "s3:DeleteObject") || !contains(statement.Resource, "arn:aws:s3:::raw/tenant/*")
    ])
    error_message = "detecting deletes no originals"
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.function["jobs"].policy).Statement :
      alltrue([for resource in statement.Resource : resource == "arn:aws:s3:::models/faceflow/corrections/export/*"]) ||
      try(statement.Condition.StringLike["s3:prefix"] == ["faceflow/corrections/export/*"], false)
      if strcontains(jsonencode(statement.Resource), "arn:aws:s3:::models")
    ])
    error_message = "of the models' bucket, jobs touch published corrections alone"
  }
  assert {
    condition = alltrue([
      for name, policy in aws_iam_role_policy.function :
      name == "jobs" || !strcontains(policy.policy, "arn:aws:s3:::models")
    ])
    error_message = "no other function touches it"
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.function["sockets"].policy, "s3:")
    error_message = "connections touch no photos"
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.function["notify"].policy, "ses:")
    error_message = "mail is sent by the function of jobs"
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.runtime["deploy"].policy, "ec2:")
    error_message = "what is outside of the VPC makes no interfaces"
  }
  assert {
    condition     = alltrue([for role in aws_iam_role.service : strcontains(role.assume_role_policy, "aws:SourceAccount")])
    error_message = "services act in our roles for our account only"
  }
}

run "refuses_another_service" {
  command = plan
  module {
    source = "./modules/iam"
  }
  variables {
    table_arn = "arn:aws:s3:::table"
  }
  expect_failures = [var.table_arn]
}

run "refuses_a_place_without_a_bucket" {
  command = plan
  module {
    source = "./modules/iam"
  }
  variables {
    corrections_uri = "corrections"
  }
  expect_failures = [var.corrections_uri]
}

run "refuses_missing_buckets" {
  command = plan
  module {
    source = "./modules/iam"
  }
  variables {
    bucket_arns = { raw = "arn:aws:s3:::raw" }
  }
  expect_failures = [var.bucket_arns]
}
