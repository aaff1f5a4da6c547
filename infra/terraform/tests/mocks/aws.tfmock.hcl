# Attributes that AWS computes and that other resources check the form of.
mock_data "aws_caller_identity" {
  defaults = { account_id = "111122223333" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_region" {
  defaults = { name = "eu-west-1" }
}

mock_data "aws_availability_zones" {
  defaults = { names = ["eu-west-1a", "eu-west-1b", "eu-west-1c"] }
}

mock_resource "aws_kms_key" {
  defaults = {
    arn    = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-0000-0000-000000000000"
    key_id = "00000000-0000-0000-0000-000000000000"
  }
}

mock_resource "aws_dynamodb_table" {
  defaults = { arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/mocked" }
}

mock_resource "aws_s3_bucket" {
  defaults = {
    arn                         = "arn:aws:s3:::mocked"
    bucket_domain_name          = "mocked.s3.amazonaws.com"
    bucket_regional_domain_name = "mocked.s3.eu-west-1.amazonaws.com"
  }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::111122223333:role/mocked" }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:eu-west-1:111122223333:log-group:mocked" }
}

mock_resource "aws_lambda_function" {
  defaults = {
    arn        = "arn:aws:lambda:eu-west-1:111122223333:function:mocked"
    invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/mocked/invocations"
  }
}

mock_resource "aws_sqs_queue" {
  defaults = {
    arn = "arn:aws:sqs:eu-west-1:111122223333:mocked"
    url = "https://sqs.eu-west-1.amazonaws.com/111122223333/mocked"
  }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:eu-west-1:111122223333:mocked" }
}

mock_resource "aws_secretsmanager_secret" {
  defaults = { arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:mocked-AbCdEf" }
}

mock_resource "aws_sfn_state_machine" {
  defaults = { arn = "arn:aws:states:eu-west-1:111122223333:stateMachine:mocked" }
}

mock_resource "aws_api_gateway_rest_api" {
  defaults = { id = "a1b2c3d4e5" }
}

mock_resource "aws_api_gateway_stage" {
  defaults = { arn = "arn:aws:apigateway:eu-west-1::/restapis/a1b2c3d4e5/stages/main" }
}

mock_resource "aws_apigatewayv2_api" {
  defaults = { id = "f6g7h8i9j0" }
}

mock_resource "aws_wafv2_web_acl" {
  defaults = { arn = "arn:aws:wafv2:eu-west-1:111122223333:regional/webacl/mocked/00000000-0000-0000-0000-000000000000" }
}

mock_resource "aws_cloudfront_distribution" {
  defaults = {
    arn         = "arn:aws:cloudfront::111122223333:distribution/EMOCKED"
    domain_name = "mocked.cloudfront.net"
  }
}

mock_resource "aws_cloudwatch_event_bus" {
  defaults = { arn = "arn:aws:events:eu-west-1:111122223333:event-bus/mocked" }
}

mock_resource "aws_cognito_user_pool" {
  defaults = {
    id  = "eu-west-1_Mocked123"
    arn = "arn:aws:cognito-idp:eu-west-1:111122223333:userpool/eu-west-1_Mocked123"
  }
}
