variable "account_id" {
  description = "The account; another one is refused."
  type        = string
}

variable "region" {
  description = "Where everything is but CloudFront's firewall."
  type        = string
  default     = "eu-west-1"
}

variable "image_tags" {
  description = "Tags of the images that run."
  type = object({
    api       = string
    workers   = string
    pipeline  = string
    detection = string
  })
}

variable "signer_public_keys" {
  description = "Public keys of URL signatures, PEM, by name."
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
  description = "Is that domain verified, and SES out of its sandbox? Then codes of sign-up come from it too."
  type        = bool
  default     = false
}

variable "alarm_emails" {
  description = "Who is told of alarms."
  type        = list(string)
}

variable "endpoints_live" {
  description = "Have both endpoints been deployed?"
  type        = bool
  default     = false
}
