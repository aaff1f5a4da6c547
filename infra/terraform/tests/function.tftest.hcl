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
  name        = "detect"
  description = "Finds faces"
  role_arn    = "arn:aws:iam::111122223333:role/detect"
  image_uri   = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/faceflow-api:workers-1.0.0"
  command     = ["api.lambdas.detect.handler"]
  kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/11111111-1111-1111-1111-111111111111"
}

run "image" {
  module {
    source = "./modules/function"
  }
  assert {
    condition     = aws_lambda_function.function.function_name == "faceflow-dev-detect"
    error_message = "names hold the environment"
  }
  assert {
    condition     = aws_lambda_function.function.tracing_config[0].mode == "Active"
    error_message = "invocations are traced"
  }
  assert {
    condition     = aws_cloudwatch_log_group.function.kms_key_id == var.kms_key_arn && aws_lambda_function.function.kms_key_arn == var.kms_key_arn
    error_message = "logs and environment are encrypted"
  }
  assert {
    condition     = aws_lambda_function.function.image_config[0].command == tolist(["api.lambdas.detect.handler"])
    error_message = "the image runs the handler"
  }
  assert {
    condition     = length(aws_lambda_function.function.vpc_config) == 0
    error_message = "without a VPC it is outside"
  }
}

run "refuses_latest" {
  command = plan
  module {
    source = "./modules/function"
  }
  variables {
    image_uri = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/faceflow-api:latest"
  }
  expect_failures = [var.image_uri]
}

run "refuses_a_long_timeout" {
  command = plan
  module {
    source = "./modules/function"
  }
  variables {
    timeout_seconds = 901
  }
  expect_failures = [var.timeout_seconds]
}
