variable "deletion_protection" {
  description = "Refuse to delete the table."
  type        = bool
  default     = true
}

variable "recovery_days" {
  description = "How far back the table can be restored to a point in time."
  type        = number
  default     = 35
  validation {
    condition     = var.recovery_days >= 1 && var.recovery_days <= 35
    error_message = "recovery_days must be 1 to 35."
  }
}

variable "max_request_units" {
  description = "Most request units a second, read and write each: a bound on cost. null: none."
  type        = number
  default     = null
  validation {
    condition     = var.max_request_units == null || try(var.max_request_units >= 1, false)
    error_message = "max_request_units must be at least 1, or null."
  }
}
