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
  kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/11111111-1111-1111-1111-111111111111"
}

run "private" {
  module {
    source = "./modules/network"
  }
  assert {
    condition     = alltrue([for name in ["sagemaker.api", "sagemaker.runtime", "ecr.api", "ecr.dkr"] : contains(keys(aws_vpc_endpoint.interface), name)])
    error_message = "SageMaker and ECR are reached inside"
  }
  assert {
    condition     = join(" ", keys(aws_vpc_endpoint.gateway)) == "dynamodb s3"
    error_message = "the table and the buckets are reached by gateways"
  }
  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled])
    error_message = "the usual names lead to the endpoints"
  }
  assert {
    condition     = length(distinct(aws_subnet.private[*].availability_zone)) == 2
    error_message = "a subnet in each zone"
  }
  assert {
    condition     = alltrue([for subnet in aws_subnet.private : coalesce(subnet.map_public_ip_on_launch, false) == false])
    error_message = "nothing has a public address"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.from_work[*] : rule.referenced_security_group_id == aws_security_group.work.id && rule.from_port == 443])
    error_message = "endpoints take HTTPS from our own"
  }
  assert {
    condition     = aws_flow_log.main.traffic_type == "REJECT"
    error_message = "refused traffic is logged"
  }
}

run "refuses_one_zone" {
  command = plan
  module {
    source = "./modules/network"
  }
  variables {
    zones = 1
  }
  expect_failures = [var.zones]
}

run "refuses_a_hidden_api" {
  command = plan
  module {
    source = "./modules/network"
  }
  variables {
    interface_endpoints = ["sagemaker.api", "sagemaker.runtime", "ecr.api", "ecr.dkr", "execute-api"]
  }
  expect_failures = [var.interface_endpoints]
}

run "refuses_a_small_block" {
  command = plan
  module {
    source = "./modules/network"
  }
  variables {
    cidr = "10.0.0.0/24"
  }
  expect_failures = [var.cidr]
}
