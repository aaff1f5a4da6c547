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
}

run "table" {
  module {
    source = "./modules/ddb"
  }
  assert {
    condition     = aws_dynamodb_table.main.hash_key == "pk" && aws_dynamodb_table.main.range_key == "sk"
    error_message = "the primary key is pk, sk"
  }
  assert {
    condition = ({
      for index in aws_dynamodb_table.main.global_secondary_index :
      index.name => "${index.hash_key} ${index.range_key} ${index.projection_type}"
    }) == ({ GSI1 = "gsi1pk gsi1sk ALL", GSI2 = "gsi2pk gsi2sk ALL" })
    error_message = "GSI1 and GSI2 are over their attributes, whole items"
  }
  assert {
    condition = ({
      for index in aws_dynamodb_table.main.local_secondary_index : index.name => index.range_key
    }) == ({ LSI1 = "createdAt" })
    error_message = "LSI1 is by createdAt"
  }
  assert {
    condition     = aws_dynamodb_table.main.point_in_time_recovery[0].enabled
    error_message = "the table can be restored to a point in time"
  }
  assert {
    condition     = aws_dynamodb_table.main.server_side_encryption[0].kms_key_arn == aws_kms_key.table.arn
    error_message = "the table is encrypted with its own key"
  }
  assert {
    condition     = aws_dynamodb_table.main.ttl[0].attribute_name == "expiresAt"
    error_message = "items vanish by expiresAt"
  }
  assert {
    condition     = aws_dynamodb_table.main.deletion_protection_enabled
    error_message = "the table is protected unless told otherwise"
  }
}

run "refuses_a_long_recovery" {
  command = plan
  module {
    source = "./modules/ddb"
  }
  variables {
    recovery_days = 36
  }
  expect_failures = [var.recovery_days]
}

run "refuses_an_unknown_environment" {
  command = plan
  module {
    source = "./modules/ddb"
  }
  variables {
    context = {
      project     = "faceflow"
      environment = "staging"
      region      = "eu-west-1"
      account_id  = "111122223333"
      partition   = "aws"
    }
  }
  expect_failures = [var.context]
}
