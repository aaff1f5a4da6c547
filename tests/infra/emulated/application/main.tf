# The modules that the application runs in, beside what they need of the others: a key, roles, a
# network. tests/infra/test_apply.py copies it beside envs/.

variable "url" {
  description = "Where the emulator answers."
  type        = string
}

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "AKIAEMULATOR00000000"
  secret_key                  = "emulator-secret"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
  endpoints {
    apigateway             = var.url
    apigatewayv2           = var.url
    applicationautoscaling = var.url
    budgets                = var.url
    cloudfront             = var.url
    cloudwatch             = var.url
    ec2                    = var.url
    ecr                    = var.url
    ecs                    = var.url
    events                 = var.url
    iam                    = var.url
    kms                    = var.url
    lambda                 = var.url
    logs                   = var.url
    s3                     = var.url
    sagemaker              = var.url
    scheduler              = var.url
    sesv2                  = var.url
    sfn                    = var.url
    sns                    = var.url
    sqs                    = var.url
    sts                    = var.url
    wafv2                  = var.url
  }
  default_tags {
    tags = { Project = "faceflow", Environment = "dev" }
  }
}

provider "aws" {
  alias                       = "us_east_1"
  region                      = "us-east-1"
  access_key                  = "AKIAEMULATOR00000000"
  secret_key                  = "emulator-secret"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  endpoints {
    sts   = var.url
    wafv2 = var.url
  }
  default_tags {
    tags = { Project = "faceflow", Environment = "dev" }
  }
}

data "aws_caller_identity" "current" {}

locals {
  arn = "arn:aws"
  context = {
    project     = "faceflow"
    environment = "dev"
    region      = "eu-central-1"
    account_id  = data.aws_caller_identity.current.account_id
    partition   = "aws"
  }
  here         = "${local.context.region}:${local.context.account_id}"
  endpoints    = { detector = "faceflow-detection", embedder = "faceflow-embedding" }
  model_groups = { detector = "faceflow-detector", embedder = "faceflow-embedder" }
  functions    = ["ingest", "extract", "deduplicate", "detect", "embed", "cluster", "notify", "jobs", "deploy"]
  services     = ["pipeline", "states", "scheduler", "task", "execution"]
  role_arns    = { for name, role in aws_iam_role.some : name => role.arn }
  buckets = {
    for name in ["raw", "derived", "embeddings", "exports"] :
    name => "faceflow-dev-${name}-${local.context.account_id}"
  }
  registry = "${local.context.account_id}.dkr.ecr.${local.context.region}.amazonaws.com"
  images = {
    api       = "${local.registry}/faceflow-api:1-api"
    workers   = "${local.registry}/faceflow-api:1-workers"
    pipeline  = "${local.registry}/faceflow-detection:1-pipeline"
    detection = "${local.registry}/faceflow-detection:1-detection"
  }
  environment = { APP_ENV = "dev" }
  vpc         = { subnet_ids = [aws_subnet.private.id], security_group_ids = [aws_security_group.work.id] }
}

resource "aws_kms_key" "operations" {}

resource "aws_iam_role" "some" {
  for_each = toset(concat(local.functions, local.services, ["api", "sockets"]))
  name     = "faceflow-dev-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_vpc" "main" {
  cidr_block = "10.20.0.0/16"
}

resource "aws_subnet" "private" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.20.1.0/24"
}

resource "aws_security_group" "work" {
  name   = "work"
  vpc_id = aws_vpc.main.id
}

module "events" {
  source             = "../../modules/events"
  context            = local.context
  kms_key_arn        = aws_kms_key.operations.arn
  data_key_arn       = aws_kms_key.operations.arn
  buckets            = local.buckets
  table_name         = "faceflow-dev"
  function_role_arns = local.role_arns
  service_role_arns  = local.role_arns
  images = {
    workers   = local.images.workers
    pipeline  = local.images.pipeline
    detection = local.images.detection
  }
  handlers       = { for name in local.functions : name => "api.lambdas.${name}.handler" }
  environment    = local.environment
  vpc            = local.vpc
  model_groups   = local.model_groups
  endpoint_names = local.endpoints
  pipeline_arn   = module.sagemaker.pipeline_arn
  mail_domain    = "example.org"
}

module "monitoring" {
  source            = "../../modules/monitoring"
  context           = local.context
  kms_key_arn       = aws_kms_key.operations.arn
  alarm_emails      = ["operations@example.org"]
  api_name          = module.api.api_name
  function_names    = merge(module.api.function_names, module.events.function_names)
  queue_names       = module.events.queue_names
  state_machine_arn = module.events.state_machine_arn
  table_name        = "faceflow-dev"
  endpoint_names    = local.endpoints
  budget_usd        = 300
}

module "sagemaker" {
  source            = "../../modules/sagemaker"
  context           = local.context
  model_groups      = local.model_groups
  endpoint_names    = local.endpoints
  endpoints_live    = true
  mlflow_size       = "Small"
  studio            = true
  pipeline_role_arn = local.role_arns["pipeline"]
  vpc               = merge(local.vpc, { id = aws_vpc.main.id })
  force_destroy     = true
}

module "api" {
  source             = "../../modules/api"
  context            = local.context
  images             = { api = local.images.api, workers = local.images.workers }
  sockets_handler    = "api.lambdas.sockets.handler"
  function_role_arns = local.role_arns
  environment        = local.environment
  event_bus_name     = module.events.event_bus_name
  vpc                = local.vpc
  kms_key_arn        = aws_kms_key.operations.arn
  usage_plans = {
    web     = { description = "Everybody who comes by CloudFront", rate = 1000, burst = 2000 }
    partner = { description = "An integration", rate = 10, burst = 20, calls_per_month = 100000 }
  }
}

module "cf" {
  source = "../../modules/cf"
  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }
  context            = local.context
  bucket_domains     = { for name, bucket in local.buckets : name => "${bucket}.s3.eu-central-1.amazonaws.com" }
  logs_domain        = "faceflow-dev-logs.s3.eu-central-1.amazonaws.com"
  api_host           = module.api.api_host
  api_key            = module.api.web_key
  signer_public_keys = { first = file("${path.module}/signer.pem") }
}
