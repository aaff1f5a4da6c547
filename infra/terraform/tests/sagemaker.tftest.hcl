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
  vpc = {
    id                 = "vpc-1"
    subnet_ids         = ["subnet-1", "subnet-2"]
    security_group_ids = ["sg-1"]
  }
  pipeline_role_arn = "arn:aws:iam::111122223333:role/pipeline"
}

run "registry" {
  module {
    source = "./modules/sagemaker"
  }
  assert {
    condition     = output.model_groups == ({ detector = "faceflow-detector", embedder = "faceflow-embedder" })
    error_message = "groups are those of the pipeline's configuration"
  }
  assert {
    condition     = output.pipeline_arn == "arn:aws:sagemaker:eu-west-1:111122223333:pipeline/faceflow-retraining"
    error_message = "the pipeline is the weekly one"
  }
  assert {
    condition     = alltrue([for repository in aws_ecr_repository.image : repository.image_tag_mutability == "IMMUTABLE" && repository.encryption_configuration[0].kms_key == aws_kms_key.models.arn])
    error_message = "tags never move, images are encrypted"
  }
  assert {
    condition     = output.corrections_uri == "s3://faceflow-dev-models-111122223333/corrections"
    error_message = "corrections lie beside the models"
  }
  assert {
    condition = anytrue([
      for rule in aws_s3_bucket_lifecycle_configuration.models.rule :
      rule.filter[0].prefix == "corrections/" && rule.noncurrent_version_expiration[0].noncurrent_days == 1
    ])
    error_message = "corrections that were replaced do not stay"
  }
  assert {
    condition     = length(aws_appautoscaling_target.endpoint) == 0
    error_message = "what does not exist yet does not scale"
  }
  assert {
    condition     = length(aws_sagemaker_mlflow_tracking_server.main) == 0 && length(aws_sagemaker_domain.studio) == 0
    error_message = "what costs by the hour is asked for"
  }
}

run "refuses_one_instance" {
  command = plan
  module {
    source = "./modules/sagemaker"
  }
  variables {
    endpoint_instances = { min = 1 }
  }
  expect_failures = [var.endpoint_instances]
}

run "refuses_an_unknown_size" {
  command = plan
  module {
    source = "./modules/sagemaker"
  }
  variables {
    mlflow_size = "Huge"
  }
  expect_failures = [var.mlflow_size]
}
