# Production: protected, watched, retrained every week.
module "faceflow" {
  source = "../../stack"
  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }

  environment        = "prod"
  protect            = true
  zones              = 3
  image_tags         = var.image_tags
  signer_public_keys = var.signer_public_keys
  signer             = var.signer
  mail_domain        = var.mail_domain
  mail_verified      = var.mail_verified
  alarm_emails       = var.alarm_emails
  endpoints_live     = var.endpoints_live
  domain             = var.domain
  callback_urls      = ["faceflow://signed-in"]
  threat_protection  = true
  budget_usd         = var.budget_usd
  log_days           = 90
  mlflow_size        = "Small"
  studio             = true
  usage_plans        = var.usage_plans
}

variable "domain" {
  description = "Name of the application, and its certificate in us-east-1."
  type = object({
    name            = string
    certificate_arn = string
  })
}

variable "budget_usd" {
  description = "Of a month."
  type        = number
  default     = 5000
}

variable "usage_plans" {
  description = "Plans of the API; web is that of everybody who comes by CloudFront."
  type = map(object({
    description     = string
    rate            = number
    burst           = number
    calls_per_month = optional(number)
  }))
  default = { web = { description = "Everybody who comes by CloudFront", rate = 2000, burst = 4000 } }
}
