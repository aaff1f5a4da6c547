# The modules in an account of the emulator, as tests/infra/test_apply.py copies it beside envs/.
# Those that need images and roles are in application/.

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
    applicationautoscaling = var.url
    cloudwatch             = var.url
    cognitoidp             = var.url
    dynamodb               = var.url
    ec2                    = var.url
    ecr                    = var.url
    iam                    = var.url
    kms                    = var.url
    logs                   = var.url
    s3                     = var.url
    sagemaker              = var.url
    sns                    = var.url
    sts                    = var.url
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
}

module "delivery" {
  source      = "../../modules/delivery"
  context     = local.context
  repository  = "example/faceflow"
  promotes_to = "prod"
}

module "network" {
  source      = "../../modules/network"
  context     = local.context
  cidr        = "10.20.0.0/16"
  zones       = 2
  kms_key_arn = module.iam.kms_key_arn
}

module "ddb" {
  source              = "../../modules/ddb"
  context             = local.context
  deletion_protection = false
}

module "s3" {
  source           = "../../modules/s3"
  context          = local.context
  web_origins      = ["https://photos.example.org"]
  distribution_arn = "${local.arn}:cloudfront::${local.context.account_id}:distribution/E123"
  force_destroy    = true
}

module "auth" {
  source        = "../../modules/auth"
  context       = local.context
  callback_urls = ["https://photos.example.org/signin/callback/"]
}

module "iam" {
  source            = "../../modules/iam"
  context           = local.context
  table_arn         = module.ddb.table_arn
  table_key_arn     = module.ddb.kms_key_arn
  bucket_arns       = module.s3.bucket_arns
  data_key_arn      = module.s3.kms_key_arn
  models_bucket_arn = "${local.arn}:s3:::faceflow-dev-models-${local.context.account_id}"
  corrections_uri   = "s3://faceflow-dev-models-${local.context.account_id}/corrections"
  models_key_arn    = module.ddb.kms_key_arn
  queue_arns = {
    for name in ["ingestion", "jobs", "ingestion-dead", "jobs-dead"] :
    name => "${local.arn}:sqs:${local.here}:faceflow-dev-${name}"
  }
  state_machine_arn = "${local.arn}:states:${local.here}:stateMachine:faceflow-dev-ingestion"
  event_bus_arn     = "${local.arn}:events:${local.here}:event-bus/faceflow-dev"
  sockets_arn       = "${local.arn}:execute-api:${local.here}:a1/main/POST/@connections/*"
  secret_arns       = { "signing-keys" = "${local.arn}:secretsmanager:${local.here}:secret:keys" }
  mail_arns         = ["${local.arn}:ses:${local.here}:identity/example.org"]
  user_pool_arn     = module.auth.pool_arn
  repository_arns = {
    for name in ["api", "detection", "embedding"] :
    name => "${local.arn}:ecr:${local.here}:repository/faceflow-${name}"
  }
  endpoint_names = local.endpoints
  model_groups   = local.model_groups
  pipeline_arn   = "${local.arn}:sagemaker:${local.here}:pipeline/faceflow"
}
