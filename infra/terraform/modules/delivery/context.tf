variable "context" {
  description = "Where this is: names begin with project-environment."
  type = object({
    project     = string
    environment = string
    region      = string
    account_id  = string
    partition   = string
  })
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,14}$", var.context.project))
    error_message = "context.project must be 2 to 15 small letters, digits or hyphens, a letter first."
  }
  validation {
    condition     = contains(["dev", "prod"], var.context.environment)
    error_message = "context.environment must be dev or prod."
  }
  validation {
    condition     = can(regex("^[0-9]{12}$", var.context.account_id))
    error_message = "context.account_id must be 12 digits."
  }
}

locals {
  prefix = "${var.context.project}-${var.context.environment}"
}
