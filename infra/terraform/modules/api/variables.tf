variable "images" {
  description = "Images in ECR: api (with the Lambda Web Adapter), workers."
  type = object({
    api     = string
    workers = string
  })
}

variable "sockets_handler" {
  description = "Handler of the WebSocket function."
  type        = string
}

variable "function_role_arns" {
  description = "Roles of the functions: api, sockets."
  type        = map(string)
}

variable "environment" {
  description = "Environment variables of the functions; none is a secret."
  type        = map(string)
}

variable "event_bus_name" {
  description = "The application's event bus."
  type        = string
}

variable "vpc" {
  description = "Private subnets and the functions' security groups."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
}

variable "kms_key_arn" {
  description = "Key of logs and environment variables."
  type        = string
}

variable "memory_mb" {
  description = "Memory of the API's function."
  type        = number
  default     = 2048
}

variable "reserved_concurrency" {
  description = "Most requests at a time; -1: as many as the account has."
  type        = number
  default     = -1
}

variable "throttle" {
  description = "Requests a second of everybody together, and a burst of them."
  type = object({
    rate  = optional(number, 1000)
    burst = optional(number, 2000)
  })
  default = {}
  validation {
    condition     = var.throttle.rate > 0 && var.throttle.burst >= var.throttle.rate
    error_message = "throttle.rate must be positive, throttle.burst at least as much."
  }
}

variable "usage_plans" {
  description = "Plans, each with a key. The plan `web` is that of everybody who comes by CloudFront."
  type = map(object({
    description     = string
    rate            = number
    burst           = number
    calls_per_month = optional(number)
  }))
  validation {
    condition     = contains(keys(var.usage_plans), "web")
    error_message = "usage_plans must have web."
  }
  validation {
    condition     = alltrue([for plan in values(var.usage_plans) : plan.rate > 0 && plan.burst >= 1])
    error_message = "usage_plans need a positive rate and a burst of at least 1."
  }
}

variable "requests_per_address" {
  description = "Requests of one address in five minutes, above which it is refused."
  type        = number
  default     = 10000
  validation {
    condition     = var.requests_per_address >= 100
    error_message = "requests_per_address must be at least 100."
  }
}

variable "log_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 30
}

variable "account_logging" {
  description = "Set the role that API Gateway logs with: once for each account and region."
  type        = bool
  default     = true
}
