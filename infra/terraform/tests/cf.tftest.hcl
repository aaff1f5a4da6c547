mock_provider "aws" {
  source = "./tests/mocks"
}

mock_provider "aws" {
  alias  = "us_east_1"
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
  bucket_domains = {
    raw     = "raw.s3.eu-west-1.amazonaws.com"
    derived = "derived.s3.eu-west-1.amazonaws.com"
    exports = "exports.s3.eu-west-1.amazonaws.com"
  }
  logs_domain = "logs.s3.amazonaws.com"
  api_host    = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
  api_key     = "counts-only"
  signer_public_keys = {
    one = "-----BEGIN PUBLIC KEY-----\nMOCKED\n-----END PUBLIC KEY-----\n"
    two = "-----BEGIN PUBLIC KEY-----\nMOCKED\n-----END PUBLIC KEY-----\n"
  }
}

run "distribution" {
  module {
    source = "./modules/cf"
  }
  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }
  assert {
    condition     = alltrue([for behaviour in aws_cloudfront_distribution.main.ordered_cache_behavior : !startswith(behaviour.path_pattern, "tenant/") || try(length(behaviour.trusted_key_groups), 0) == 1])
    error_message = "objects need a signature"
  }
  assert {
    condition     = aws_cloudfront_distribution.main.ordered_cache_behavior[1].path_pattern == "tenant/*/share/*" && aws_cloudfront_distribution.main.ordered_cache_behavior[4].path_pattern == "tenant/*"
    error_message = "the special comes before the general"
  }
  assert {
    condition     = length(aws_cloudfront_key_group.signer.items) == 2
    error_message = "while keys rotate, both are trusted"
  }
  assert {
    condition     = alltrue([for behaviour in aws_cloudfront_distribution.main.ordered_cache_behavior : behaviour.viewer_protocol_policy != "allow-all"]) && aws_cloudfront_distribution.main.default_cache_behavior[0].viewer_protocol_policy == "redirect-to-https"
    error_message = "nothing goes by plain HTTP"
  }
  assert {
    condition     = aws_cloudfront_distribution.main.web_acl_id == aws_wafv2_web_acl.edge.arn && aws_wafv2_web_acl.edge.scope == "CLOUDFRONT"
    error_message = "the firewall stands at the edge"
  }
}

run "refuses_a_private_key" {
  command = plan
  module {
    source = "./modules/cf"
  }
  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }
  variables {
    signer_public_keys = { one = "-----BEGIN PRIVATE KEY-----" }
  }
  expect_failures = [var.signer_public_keys]
}
