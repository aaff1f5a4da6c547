variable "repository" {
  description = "GitHub repository whose workflows deploy: owner/name."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", var.repository))
    error_message = "repository must be owner/name."
  }
}

variable "promotes_to" {
  description = "Environment whose release copies images from this account's registry; null: none."
  type        = string
  default     = null
  validation {
    condition     = var.promotes_to == null || var.promotes_to == "prod"
    error_message = "promotes_to must be prod or null."
  }
}

variable "endpoint_names" {
  description = "Endpoints that models are deployed to."
  type        = list(string)
  default     = ["faceflow-detection", "faceflow-embedding"]
}

variable "model_groups" {
  description = "Model package groups."
  type        = list(string)
  default     = ["faceflow-detector", "faceflow-embedder"]
}
