variable "name" {
  description = "What it does; the function is project-environment-name."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z-]{1,30}$", var.name))
    error_message = "name must be small letters and hyphens."
  }
}

variable "description" {
  description = "One line."
  type        = string
}

variable "role_arn" {
  description = "Its own role."
  type        = string
}

variable "image_uri" {
  description = "Image in ECR, with a tag that is never moved, or a digest."
  type        = string
  validation {
    condition     = can(regex("(:[^:/@]+|@sha256:[0-9a-f]{64})$", var.image_uri)) && !endswith(var.image_uri, ":latest")
    error_message = "image_uri needs a tag other than latest, or a digest."
  }
}

variable "architecture" {
  description = "Of the image."
  type        = string
  default     = "x86_64"
  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture must be x86_64 or arm64."
  }
}

variable "command" {
  description = "Handler in the image: [\"package.module.handler\"]. Empty: the image's own command."
  type        = list(string)
  default     = []
}

variable "memory_mb" {
  description = "Memory; the share of a core grows with it."
  type        = number
  default     = 1024
  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240
    error_message = "memory_mb must be 128 to 10240."
  }
}

variable "storage_mb" {
  description = "Size of /tmp."
  type        = number
  default     = 512
  validation {
    condition     = var.storage_mb >= 512 && var.storage_mb <= 10240
    error_message = "storage_mb must be 512 to 10240."
  }
}

variable "timeout_seconds" {
  description = "Longest time of one invocation."
  type        = number
  default     = 60
  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 900
    error_message = "timeout_seconds must be 1 to 900."
  }
}

variable "reserved_concurrency" {
  description = "Most invocations at a time, kept from other functions; -1: as many as the account has."
  type        = number
  default     = -1
  validation {
    condition     = var.reserved_concurrency >= -1
    error_message = "reserved_concurrency must be -1 or more."
  }
}

variable "vpc" {
  description = "Subnets and security groups; null: outside of the VPC."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null
}

variable "environment" {
  description = "Environment variables; none is a secret."
  type        = map(string)
  default     = {}
}

variable "kms_key_arn" {
  description = "Key of the environment variables and the logs."
  type        = string
}

variable "log_days" {
  description = "Days for which logs are kept, one of CloudWatch's."
  type        = number
  default     = 30
  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827], var.log_days)
    error_message = "log_days must be one of CloudWatch's retention periods."
  }
}
