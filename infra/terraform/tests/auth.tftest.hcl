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
  callback_urls = ["https://photos.example.org/signin/callback/"]
}

run "pool" {
  module {
    source = "./modules/auth"
  }
  assert {
    condition     = !aws_cognito_user_pool_client.app.generate_secret && aws_cognito_user_pool_client.app.allowed_oauth_flows == toset(["code"])
    error_message = "clients keep no secret and use the code flow"
  }
  assert {
    condition     = aws_cognito_user_pool_client.app.refresh_token_rotation[0].feature == "ENABLED" && !contains(aws_cognito_user_pool_client.app.explicit_auth_flows, "ALLOW_REFRESH_TOKEN_AUTH")
    error_message = "refresh tokens in browsers are used once"
  }
  assert {
    condition     = aws_cognito_user_pool_client.app.prevent_user_existence_errors == "ENABLED"
    error_message = "nobody learns who has an account"
  }
  assert {
    condition     = output.issuer == "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Mocked123"
    error_message = "the issuer is the pool"
  }
  assert {
    condition     = aws_cognito_user_pool.main.deletion_protection == "ACTIVE"
    error_message = "the pool is protected"
  }
}

run "refuses_plain_http" {
  command = plan
  module {
    source = "./modules/auth"
  }
  variables {
    callback_urls = ["http://photos.example.org/"]
  }
  expect_failures = [var.callback_urls]
}

run "refuses_long_tokens" {
  command = plan
  module {
    source = "./modules/auth"
  }
  variables {
    token_minutes = 2000
  }
  expect_failures = [var.token_minutes]
}
