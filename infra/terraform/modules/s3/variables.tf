variable "web_origins" {
  description = "Origins of web clients that upload: https://HOST."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for o in var.web_origins : can(regex("^https://[a-z0-9.-]+(:[0-9]+)?$", o))])
    error_message = "web_origins must be https origins without a path; no wildcard."
  }
}

variable "distribution_arn" {
  description = "CloudFront distribution that may read objects for signed URLs; null: none yet."
  type        = string
  default     = null
}

variable "export_days" {
  description = "Days after which what was made for a share vanishes."
  type        = number
  default     = 90
  validation {
    condition     = var.export_days >= 1 && var.export_days <= 3650
    error_message = "export_days must be 1 to 3650."
  }
}

variable "old_version_days" {
  description = "Days for which overwritten and deleted versions can be brought back."
  type        = number
  default     = 30
  validation {
    condition     = var.old_version_days >= 1 && var.old_version_days <= 365
    error_message = "old_version_days must be 1 to 365."
  }
}

variable "log_days" {
  description = "Days for which access logs are kept."
  type        = number
  default     = 90
  validation {
    condition     = var.log_days >= 1
    error_message = "log_days must be at least 1."
  }
}

variable "force_destroy" {
  description = "May `terraform destroy` remove buckets that hold objects?"
  type        = bool
  default     = false
}
