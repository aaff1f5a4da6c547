variable "callback_urls" {
  description = "Where the sign-in returns to: https, or the mobile client's own scheme."
  type        = list(string)
  validation {
    condition = length(var.callback_urls) > 0 && alltrue([
      for url in var.callback_urls : can(regex("^(https://|http://localhost[:/]|[a-z][a-z0-9.+-]*://)", url)) && !can(regex("^http://[^l]", url))
    ])
    error_message = "callback_urls must be https (http for localhost only), or a scheme of an app."
  }
}

variable "logout_urls" {
  description = "Where signing out returns to."
  type        = list(string)
  default     = []
}

variable "token_minutes" {
  description = "How long access and id tokens live."
  type        = number
  default     = 60
  validation {
    condition     = var.token_minutes >= 5 && var.token_minutes <= 1440
    error_message = "token_minutes must be 5 to 1440."
  }
}

variable "self_sign_up" {
  description = "May anybody make an account?"
  type        = bool
  default     = true
}

variable "threat_protection" {
  description = "Cognito's threat protection: compromised passwords, adaptive sign-in. Costs per user."
  type        = bool
  default     = false
}

variable "deletion_protection" {
  description = "Refuse to delete the user pool."
  type        = bool
  default     = true
}

variable "mail" {
  description = "SES identity that sends codes, and its From; null: Cognito's own, 50 a day."
  type = object({
    identity_arn = string
    from         = string
  })
  default = null
}
