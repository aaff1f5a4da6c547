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
  repository  = "example/faceflow"
  promotes_to = "prod"
}

run "roles" {
  module {
    source = "./modules/delivery"
  }
  assert {
    condition     = join(" ", keys(output.roles)) == "deploy models plan pull"
    error_message = "each kind of workflow has a role"
  }
  assert {
    condition = alltrue([
      for name, environment in { plan = "dev-plan", deploy = "dev", models = "dev", pull = "prod" } :
      jsondecode(aws_iam_role.workflow[name].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:example/faceflow:environment:${environment}"
    ])
    error_message = "a role is taken on in one environment of one repository"
  }
  assert {
    condition = alltrue([
      for role in aws_iam_role.workflow :
      jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
    ])
    error_message = "tokens are for AWS"
  }
  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_role_policy.workflow : [
        for statement in jsondecode(policy.policy).Statement : [
          for action in statement.Action : can(regex("^[a-z0-9-]+:[A-Za-z]+$", action))
        ]
      ]
    ]))
    error_message = "no action is a wildcard"
  }
  assert {
    condition     = alltrue([for name in ["plan", "deploy"] : strcontains(aws_iam_role_policy.no_data[name].policy, "dynamodb:Scan") && strcontains(aws_iam_role_policy.no_data[name].policy, "secretsmanager:GetSecretValue")])
    error_message = "who plans or deploys reads no rows and no secrets"
  }
  assert {
    condition = alltrue(flatten([
      for name in ["plan", "deploy"] : [
        for statement in jsondecode(aws_iam_role_policy.no_data[name].policy).Statement : [
          for service in ["lambda", "states", "events", "scheduler"] : contains(
            statement.Condition.StringNotEqualsIfExists["kms:ViaService"], "${service}.eu-west-1.amazonaws.com"
          )
        ]
        if contains(statement.Action, "kms:Decrypt")
      ]
    ]))
    error_message = "what Terraform compares may be decrypted for it"
  }
  assert {
    condition = anytrue([
      for statement in jsondecode(aws_iam_role_policy.workflow["plan"].policy).Statement :
      contains(statement.Action, "kms:Decrypt") && try(contains(statement.Condition.StringEquals["kms:ViaService"], "states.eu-west-1.amazonaws.com"), false)
    ])
    error_message = "AWS's policy for reading allows no key, which a plan needs"
  }
  assert {
    condition     = strcontains(output.backend, "use_lockfile")
    error_message = "the state is locked"
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.workflow["pull"].policy, "Put")
    error_message = "production only reads development's registry"
  }
  assert {
    condition     = strcontains(output.backend, "faceflow-dev-state-111122223333")
    error_message = "the backend names its bucket"
  }
  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled" && aws_s3_bucket_public_access_block.state.block_public_policy
    error_message = "the state is versioned and private"
  }
}

run "production_gives_nothing_on" {
  module {
    source = "./modules/delivery"
  }
  variables {
    promotes_to = null
  }
  assert {
    condition     = join(" ", keys(output.roles)) == "deploy models plan"
    error_message = "nobody copies from production"
  }
}

run "refuses_every_repository" {
  command = plan
  module {
    source = "./modules/delivery"
  }
  variables {
    repository = "*"
  }
  expect_failures = [var.repository]
}
