# Who people are: a user pool, and one public client for web and mobile. Its id is the audience
# that api/jwt_tokens.py checks.

resource "aws_cognito_user_pool" "main" {
  name                     = local.prefix
  username_attributes      = ["email"]
  auto_verified_attributes = ["email"]
  mfa_configuration        = "OPTIONAL"
  deletion_protection      = var.deletion_protection ? "ACTIVE" : "INACTIVE"
  user_pool_tier           = var.threat_protection ? "PLUS" : "ESSENTIALS"

  username_configuration {
    case_sensitive = false
  }

  software_token_mfa_configuration {
    enabled = true
  }

  password_policy {
    minimum_length                   = 12
    require_lowercase                = true
    require_numbers                  = true
    require_symbols                  = false
    require_uppercase                = true
    temporary_password_validity_days = 3
  }

  account_recovery_setting {
    recovery_mechanism {
      name     = "verified_email"
      priority = 1
    }
  }

  admin_create_user_config {
    allow_admin_create_user_only = !var.self_sign_up
  }

  dynamic "user_pool_add_ons" {
    for_each = var.threat_protection ? [1] : []
    content {
      advanced_security_mode = "ENFORCED"
    }
  }

  dynamic "email_configuration" {
    for_each = var.mail == null ? [] : [var.mail]
    content {
      email_sending_account = "DEVELOPER"
      source_arn            = email_configuration.value.identity_arn
      from_email_address    = email_configuration.value.from
    }
  }
}

resource "aws_cognito_user_pool_client" "app" {
  name         = "${local.prefix}-app"
  user_pool_id = aws_cognito_user_pool.main.id

  # Browsers and phones keep no secret: the code flow with PKCE.
  generate_secret                      = false
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["code"]
  allowed_oauth_scopes                 = ["openid", "email", "profile"]
  supported_identity_providers         = ["COGNITO"]
  callback_urls                        = var.callback_urls
  logout_urls                          = var.logout_urls
  explicit_auth_flows                  = ["ALLOW_USER_SRP_AUTH"]
  enable_token_revocation              = true
  prevent_user_existence_errors        = "ENABLED"

  # A refresh token that was stolen from a browser ends with its next use by either. Cognito allows
  # this only without ALLOW_REFRESH_TOKEN_AUTH; a lost answer may be asked for again for a minute.
  refresh_token_rotation {
    feature                    = "ENABLED"
    retry_grace_period_seconds = 60
  }

  access_token_validity  = var.token_minutes
  id_token_validity      = var.token_minutes
  refresh_token_validity = 30
  token_validity_units {
    access_token  = "minutes"
    id_token      = "minutes"
    refresh_token = "days"
  }
}

resource "aws_cognito_user_pool_domain" "main" {
  domain       = "${local.prefix}-${var.context.account_id}"
  user_pool_id = aws_cognito_user_pool.main.id
}
