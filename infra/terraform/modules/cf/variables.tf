variable "bucket_domains" {
  description = "Regional domain names of the buckets raw, derived and exports."
  type        = map(string)
  validation {
    condition     = length(setsubtract(["raw", "derived", "exports"], keys(var.bucket_domains))) == 0
    error_message = "bucket_domains must have raw, derived and exports."
  }
}

variable "logs_domain" {
  description = "Domain name of the bucket of access logs."
  type        = string
}

variable "api_host" {
  description = "Host of the HTTP API."
  type        = string
}

variable "api_key" {
  description = "Key of the usage plan of people."
  type        = string
  sensitive   = true
}

variable "signer_public_keys" {
  description = "Public keys (PEM, RSA 2048) of URL signatures, by a name that is never used again."
  type        = map(string)
  validation {
    condition = length(var.signer_public_keys) >= 1 && length(var.signer_public_keys) <= 5 && alltrue([
      for pem in values(var.signer_public_keys) : startswith(trimspace(pem), "-----BEGIN PUBLIC KEY-----")
    ])
    error_message = "signer_public_keys must be 1 to 5 public keys in PEM."
  }
}

variable "domain" {
  description = "Name that people use, and its certificate in us-east-1; null: CloudFront's name."
  type = object({
    name            = string
    certificate_arn = string
  })
  default = null
  validation {
    condition     = var.domain == null || can(regex("^arn:aws[a-z-]*:acm:us-east-1:", var.domain.certificate_arn))
    error_message = "domain.certificate_arn must be a certificate in us-east-1."
  }
}

variable "price_class" {
  description = "Where copies are kept."
  type        = string
  default     = "PriceClass_100"
  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.price_class)
    error_message = "price_class must be PriceClass_100, PriceClass_200 or PriceClass_All."
  }
}

variable "requests_per_address" {
  description = "Requests of one address in five minutes, above which it is refused. Pages of thumbnails are hundreds."
  type        = number
  default     = 20000
  validation {
    condition     = var.requests_per_address >= 100
    error_message = "requests_per_address must be at least 100."
  }
}
