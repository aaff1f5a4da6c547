variable "kms_key_arn" {
  description = "Key of the topic."
  type        = string
}

variable "alarm_emails" {
  description = "Who is told; each confirms once."
  type        = list(string)
  validation {
    condition     = length(var.alarm_emails) > 0 && alltrue([for to in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+$", to))])
    error_message = "alarm_emails must be addresses, at least one."
  }
}

variable "api_name" {
  description = "Name of the HTTP API."
  type        = string
}

variable "function_names" {
  description = "Functions to be watched, by what they do."
  type        = map(string)
}

variable "queue_names" {
  description = "Queues: ingestion, jobs, and each one's -dead."
  type        = map(string)
  validation {
    condition     = length(setsubtract(["ingestion", "jobs", "ingestion-dead", "jobs-dead"], keys(var.queue_names))) == 0
    error_message = "queue_names must have ingestion, jobs and each one's -dead."
  }
}

variable "state_machine_arn" {
  description = "The ingestion state machine."
  type        = string
}

variable "table_name" {
  description = "The application's table."
  type        = string
}

variable "endpoint_names" {
  description = "SageMaker endpoints, by kind of model."
  type        = map(string)
}

variable "api_latency_ms" {
  description = "99th percentile of the API's latency that is too much."
  type        = number
  default     = 3000
}

variable "endpoint_latency_ms" {
  description = "99th percentile of an endpoint's latency that is too much."
  type        = number
  default     = 2000
}

variable "queue_age_seconds" {
  description = "Age of the oldest message that is too much."
  type        = number
  default     = 900
}

variable "error_percent" {
  description = "Share of failures that is too much."
  type        = number
  default     = 1
  validation {
    condition     = var.error_percent > 0 && var.error_percent <= 100
    error_message = "error_percent must be more than 0, at most 100."
  }
}

variable "budget_usd" {
  description = "What a month may cost before somebody is told."
  type        = number
  validation {
    condition     = var.budget_usd > 0
    error_message = "budget_usd must be positive."
  }
}
