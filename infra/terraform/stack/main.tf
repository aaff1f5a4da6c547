# FaceFlow in one account and region: the modules, and what they tell each other.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  context = {
    project     = "faceflow"
    environment = var.environment
    region      = data.aws_region.current.name
    account_id  = data.aws_caller_identity.current.account_id
    partition   = data.aws_partition.current.partition
  }

  work_vpc = {
    subnet_ids         = module.network.private_subnet_ids
    security_group_ids = [module.network.work_security_group_id]
  }

  mail_from = "FaceFlow <photos@${var.mail_domain}>"

  # What the application reads (api/settings.py), and where its stores are.
  environment = {
    APP_ENV                      = var.environment
    FACEFLOW_PUBLIC_URL          = module.cf.url
    FACEFLOW_JWT_ISSUER          = module.auth.issuer
    FACEFLOW_JWT_AUDIENCE        = module.auth.pool_ids.client
    FACEFLOW_SIGN_IN_URL         = "https://${module.auth.pool_ids.domain}"
    FACEFLOW_LOG_LEVEL           = var.log_level
    FACEFLOW_MAIL_FROM           = local.mail_from
    FACEFLOW_TABLE               = module.ddb.table_name
    FACEFLOW_RAW_BUCKET          = module.s3.buckets["raw"]
    FACEFLOW_DERIVED_BUCKET      = module.s3.buckets["derived"]
    FACEFLOW_EMBEDDINGS_BUCKET   = module.s3.buckets["embeddings"]
    FACEFLOW_EXPORTS_BUCKET      = module.s3.buckets["exports"]
    FACEFLOW_KMS_KEY             = module.s3.kms_key_arn
    FACEFLOW_CORRECTIONS_URI     = module.sagemaker.corrections_uri
    FACEFLOW_CDN_URL             = module.cf.url
    FACEFLOW_JOBS_QUEUE_URL      = module.events.queue_urls["jobs"]
    FACEFLOW_STATE_MACHINE_ARN   = module.events.state_machine_arn
    FACEFLOW_EVENT_BUS           = module.events.event_bus_name
    FACEFLOW_MAIL_CONFIGURATION  = module.events.mail_configuration_set
    FACEFLOW_DETECTION_ENDPOINT  = var.endpoint_names["detector"]
    FACEFLOW_EMBEDDING_ENDPOINT  = var.endpoint_names["embedder"]
    FACEFLOW_SIGNING_KEYS_SECRET = local.secret_arns["signing-keys"]
    FACEFLOW_URL_SIGNER_SECRET   = local.secret_arns["url-signer"]
    FACEFLOW_URL_SIGNER_KEY_ID   = module.cf.signer_key_ids[var.signer]
    POWERTOOLS_SERVICE_NAME      = local.context.project
    POWERTOOLS_METRICS_NAMESPACE = "FaceFlow"
    AWS_XRAY_CONTEXT_MISSING     = "IGNORE_ERROR"
    AWS_LWA_READINESS_CHECK_PATH = "/healthz"
    AWS_LWA_REMOVE_BASE_PATH     = "/main"
    AWS_LWA_PORT                 = "8000"
  }
}

module "network" {
  source      = "../modules/network"
  context     = local.context
  cidr        = var.cidr
  zones       = var.zones
  kms_key_arn = module.iam.kms_key_arn
  log_days    = var.log_days
}

module "ddb" {
  source              = "../modules/ddb"
  context             = local.context
  deletion_protection = var.protect
  max_request_units   = var.max_request_units
}

module "s3" {
  source           = "../modules/s3"
  context          = local.context
  web_origins      = concat([module.cf.url], var.web_origins)
  distribution_arn = module.cf.distribution_arn
  force_destroy    = !var.protect
}

module "auth" {
  source  = "../modules/auth"
  context = local.context
  # Where the web client is: frontend/web/src/auth/hosted.ts sends these, to the letter.
  callback_urls       = concat(["${module.cf.url}/signin/callback/"], var.callback_urls)
  logout_urls         = concat(["${module.cf.url}/"], var.logout_urls)
  self_sign_up        = var.self_sign_up
  threat_protection   = var.threat_protection
  deletion_protection = var.protect
  # Cognito refuses an identity that is not verified yet, as it is at the first apply.
  mail = var.mail_verified ? {
    identity_arn = module.events.mail_arns[0]
    from         = local.mail_from
  } : null
}

module "sagemaker" {
  source            = "../modules/sagemaker"
  context           = local.context
  model_groups      = var.model_groups
  endpoint_names    = var.endpoint_names
  endpoints_live    = var.endpoints_live
  mlflow_size       = var.mlflow_size
  studio            = var.studio
  pipeline_role_arn = module.iam.service_role_arns["pipeline"]
  pipeline_name     = var.pipeline_name
  vpc               = merge(local.work_vpc, { id = module.network.vpc_id })
  force_destroy     = !var.protect
}

module "iam" {
  source            = "../modules/iam"
  context           = local.context
  table_arn         = module.ddb.table_arn
  table_key_arn     = module.ddb.kms_key_arn
  bucket_arns       = module.s3.bucket_arns
  data_key_arn      = module.s3.kms_key_arn
  models_bucket_arn = module.sagemaker.models_bucket_arn
  models_key_arn    = module.sagemaker.kms_key_arn
  corrections_uri   = module.sagemaker.corrections_uri
  queue_arns        = module.events.queue_arns
  state_machine_arn = module.events.state_machine_arn
  event_bus_arn     = module.events.event_bus_arn
  sockets_arn       = module.api.sockets_arn
  secret_arns       = local.secret_arns
  mail_arns         = module.events.mail_arns
  user_pool_arn     = module.auth.pool_arn
  repository_arns   = module.sagemaker.repository_arns
  endpoint_names    = var.endpoint_names
  model_groups      = var.model_groups
  pipeline_arn      = module.sagemaker.pipeline_arn
}

module "events" {
  source             = "../modules/events"
  context            = local.context
  kms_key_arn        = module.iam.kms_key_arn
  data_key_arn       = module.s3.kms_key_arn
  buckets            = module.s3.buckets
  table_name         = module.ddb.table_name
  function_role_arns = module.iam.function_role_arns
  service_role_arns  = module.iam.service_role_arns
  images = {
    workers   = local.images.workers
    pipeline  = local.images.pipeline
    detection = local.images.detection
  }
  handlers         = var.handlers
  environment      = local.environment
  vpc              = local.work_vpc
  model_groups     = var.model_groups
  endpoint_names   = var.endpoint_names
  pipeline_arn     = module.sagemaker.pipeline_arn
  retrain_schedule = var.retrain_schedule
  retrain_enabled  = var.retrain_enabled
  # The pipeline reads where the application publishes, whatever its own default is.
  retrain_parameters = { CorrectionsUri = module.sagemaker.corrections_uri }
  sizes              = var.sizes
  processing         = var.processing
  mail_domain        = var.mail_domain
  log_days           = var.log_days
}

module "api" {
  source             = "../modules/api"
  context            = local.context
  images             = { api = local.images.api, workers = local.images.workers }
  sockets_handler    = var.handlers["sockets"]
  function_role_arns = module.iam.function_role_arns
  environment        = local.environment
  event_bus_name     = module.events.event_bus_name
  vpc                = local.work_vpc
  kms_key_arn        = module.iam.kms_key_arn
  usage_plans        = var.usage_plans
  throttle           = var.throttle
  log_days           = var.log_days
}

module "cf" {
  source = "../modules/cf"
  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }
  context            = local.context
  bucket_domains     = module.s3.bucket_domains
  logs_domain        = module.s3.logs_domain
  api_host           = module.api.api_host
  api_key            = module.api.web_key
  signer_public_keys = var.signer_public_keys
  domain             = var.domain
}

module "monitoring" {
  source            = "../modules/monitoring"
  context           = local.context
  kms_key_arn       = module.iam.kms_key_arn
  alarm_emails      = var.alarm_emails
  api_name          = module.api.api_name
  function_names    = merge(module.api.function_names, module.events.function_names)
  queue_names       = module.events.queue_names
  state_machine_arn = module.events.state_machine_arn
  table_name        = module.ddb.table_name
  endpoint_names    = var.endpoint_names
  budget_usd        = var.budget_usd
}

locals {
  repositories = module.sagemaker.repository_urls
  images = {
    api       = "${local.repositories["api"]}:${var.image_tags.api}"
    workers   = "${local.repositories["api"]}:${var.image_tags.workers}"
    pipeline  = "${local.repositories["detection"]}:${var.image_tags.pipeline}"
    detection = "${local.repositories["detection"]}:${var.image_tags.detection}"
  }
  secret_arns = { for name, secret in aws_secretsmanager_secret.main : name => secret.arn }
}

# The places of secrets. What is in them is put there by a person or a rotation, never by Terraform:
# it would be in the state.
resource "aws_secretsmanager_secret" "main" {
  for_each = {
    signing-keys = "Keys of links and receipts: FACEFLOW_SIGNING_KEYS"
    url-signer   = "Private key of CloudFront's signed URLs, PEM"
  }
  name                    = "${local.context.project}-${var.environment}/${each.key}"
  description             = each.value
  kms_key_id              = module.iam.kms_key_arn
  recovery_window_in_days = 30
}
