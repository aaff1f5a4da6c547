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
  images             = { api = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/faceflow:1.0.0", workers = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/faceflow:1.0.0" }
  sockets_handler    = "api.lambdas.sockets.handler"
  function_role_arns = { api = "arn:aws:iam::111122223333:role/api", sockets = "arn:aws:iam::111122223333:role/sockets" }
  environment        = { APP_ENV = "dev" }
  event_bus_name     = "faceflow-dev"
  kms_key_arn        = "arn:aws:kms:eu-west-1:111122223333:key/11111111-1111-1111-1111-111111111111"
  usage_plans = {
    web     = { description = "People", rate = 100, burst = 200 }
    partner = { description = "A partner", rate = 10, burst = 20, calls_per_month = 100000 }
  }
  vpc = {
    subnet_ids         = ["subnet-1", "subnet-2"]
    security_group_ids = ["sg-1"]
  }
}

run "gateway" {
  module {
    source = "./modules/api"
  }
  assert {
    condition     = alltrue([for method in aws_api_gateway_method.any : method.api_key_required])
    error_message = "every call is counted in a plan"
  }
  assert {
    condition     = join(" ", keys(aws_api_gateway_usage_plan_key.plan)) == "partner web"
    error_message = "each plan has a key"
  }
  assert {
    condition     = aws_api_gateway_usage_plan.plan["partner"].quota_settings[0].limit == 100000
    error_message = "a plan may have a quota"
  }
  assert {
    condition     = aws_wafv2_web_acl_association.api.resource_arn == aws_api_gateway_stage.main.arn
    error_message = "the firewall stands before the API"
  }
  assert {
    condition     = length(aws_wafv2_web_acl.api.rule) == 4
    error_message = "a rate and three managed sets of rules"
  }
  assert {
    condition     = !strcontains(aws_api_gateway_stage.main.access_log_settings[0].format, "query")
    error_message = "logs hold no signatures"
  }
  assert {
    condition     = aws_api_gateway_rest_api.main.binary_media_types == tolist(["*/*"])
    error_message = "fonts and pictures of the web client are bytes, whatever a browser accepts first"
  }
  assert {
    condition     = join(" ", keys(aws_apigatewayv2_route.sockets)) == "$connect $default $disconnect"
    error_message = "connections come, speak and go"
  }
  assert {
    condition     = output.ws_url == "wss://f6g7h8i9j0.execute-api.eu-west-1.amazonaws.com/main"
    error_message = "browsers listen at the stage of the WebSocket API"
  }
  assert {
    condition     = output.api_url == "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/main"
    error_message = "the URL is that of the stage"
  }
}

run "refuses_no_web_plan" {
  command = plan
  module {
    source = "./modules/api"
  }
  variables {
    usage_plans = { partner = { description = "A partner", rate = 10, burst = 20 } }
  }
  expect_failures = [var.usage_plans]
}

run "refuses_a_small_burst" {
  command = plan
  module {
    source = "./modules/api"
  }
  variables {
    throttle = { rate = 100, burst = 10 }
  }
  expect_failures = [var.throttle]
}
