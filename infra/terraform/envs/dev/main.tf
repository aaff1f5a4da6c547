# Development: small, cheap, may be destroyed.
module "faceflow" {
  source = "../../stack"
  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }

  environment        = "dev"
  protect            = false
  image_tags         = var.image_tags
  signer_public_keys = var.signer_public_keys
  signer             = var.signer
  mail_domain        = var.mail_domain
  mail_verified      = var.mail_verified
  alarm_emails       = var.alarm_emails
  endpoints_live     = var.endpoints_live
  self_sign_up       = false
  budget_usd         = 300
  max_request_units  = 2000
  log_days           = 14
  log_level          = "DEBUG"
  retrain_enabled    = false
  sizes              = { distributed_concurrency = 10 }
  processing         = { instance_count = 1 }
  throttle           = { rate = 100, burst = 200 }
}
