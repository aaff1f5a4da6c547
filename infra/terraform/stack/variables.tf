variable "environment" {
  description = "dev or prod: part of every name, and APP_ENV."
  type        = string
  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "environment must be dev or prod."
  }
}

variable "protect" {
  description = "Refuse to delete what holds people's data."
  type        = bool
}

variable "cidr" {
  description = "Addresses of the VPC."
  type        = string
  default     = "10.20.0.0/16"
}

variable "zones" {
  description = "Availability zones."
  type        = number
  default     = 2
}

variable "image_tags" {
  description = "Tags of the images: of the repository api, api (Lambda Web Adapter) and workers; of detection, pipeline (the deployer) and detection."
  type = object({
    api       = string
    workers   = string
    pipeline  = string
    detection = string
  })
}

variable "handlers" {
  description = "Handler of each function."
  type        = map(string)
  default = {
    sockets     = "api.lambdas.sockets.handler"
    ingest      = "api.lambdas.ingest.handler"
    extract     = "api.lambdas.extract.handler"
    deduplicate = "api.lambdas.deduplicate.handler"
    detect      = "api.lambdas.detect.handler"
    embed       = "api.lambdas.embed.handler"
    cluster     = "api.lambdas.cluster.handler"
    notify      = "api.lambdas.notify.handler"
    jobs        = "api.lambdas.jobs.handler"
    deploy      = "pipelines.deployment.events.handler"
  }
}

variable "web_origins" {
  description = "Further origins that upload straight to the bucket."
  type        = list(string)
  default     = []
}

variable "callback_urls" {
  description = "Where the sign-in of further clients returns to."
  type        = list(string)
  default     = []
}

variable "logout_urls" {
  description = "Where signing out of further clients returns to."
  type        = list(string)
  default     = []
}

variable "self_sign_up" {
  description = "May anybody make an account?"
  type        = bool
  default     = true
}

variable "threat_protection" {
  description = "Cognito's threat protection."
  type        = bool
  default     = false
}

variable "domain" {
  description = "Name of the application, and its certificate in us-east-1."
  type = object({
    name            = string
    certificate_arn = string
  })
  default = null
}

variable "signer_public_keys" {
  description = "Public keys of URL signatures, by name."
  type        = map(string)
}

variable "signer" {
  description = "Name of the one whose private key is in the secret url-signer."
  type        = string
}

variable "mail_domain" {
  description = "Domain that mail is sent from."
  type        = string
}

variable "mail_verified" {
  description = "Are that domain's DKIM records there, and is SES out of its sandbox? Then codes of sign-up come from it too; Cognito itself sends 50 a day."
  type        = bool
  default     = false
}

variable "alarm_emails" {
  description = "Who is told of alarms."
  type        = list(string)
}

variable "budget_usd" {
  description = "Of a month."
  type        = number
}

variable "log_level" {
  description = "Of the application."
  type        = string
  default     = "INFO"
  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "log_level must be DEBUG, INFO, WARNING or ERROR."
  }
}

variable "log_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 30
}

variable "max_request_units" {
  description = "Bound of the table's request units a second; null: none."
  type        = number
  default     = null
}

variable "model_groups" {
  description = "Model package groups, as in the pipeline's configuration."
  type        = map(string)
  default     = { detector = "faceflow-detector", embedder = "faceflow-embedder" }
}

variable "endpoint_names" {
  description = "Endpoints, as in the pipeline's configuration."
  type        = map(string)
  default     = { detector = "faceflow-detection", embedder = "faceflow-embedding" }
}

variable "endpoints_live" {
  description = "Have both endpoints been deployed?"
  type        = bool
  default     = false
}

variable "pipeline_name" {
  description = "The pipeline that the schedule starts, as in configs/pipeline/retraining.yaml."
  type        = string
  default     = "faceflow-retraining"
}

variable "mlflow_size" {
  description = "Size of the MLflow tracking server; null: none."
  type        = string
  default     = null
}

variable "studio" {
  description = "Is there a Studio domain?"
  type        = bool
  default     = false
}

variable "retrain_schedule" {
  description = "When the pipeline starts, UTC."
  type        = string
  default     = "cron(0 3 ? * MON *)"
}

variable "retrain_enabled" {
  description = "Does it?"
  type        = bool
  default     = true
}

variable "sizes" {
  description = "See modules/events."
  type        = any
  default     = {}
}

variable "processing" {
  description = "See modules/events."
  type        = any
  default     = {}
}

variable "usage_plans" {
  description = "See modules/api."
  type = map(object({
    description     = string
    rate            = number
    burst           = number
    calls_per_month = optional(number)
  }))
  default = { web = { description = "Everybody who comes by CloudFront", rate = 1000, burst = 2000 } }
}

variable "throttle" {
  description = "See modules/api."
  type        = object({ rate = optional(number, 1000), burst = optional(number, 2000) })
  default     = {}
}
