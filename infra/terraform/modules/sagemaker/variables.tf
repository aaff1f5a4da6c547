variable "model_groups" {
  description = "Model package groups, as in the pipeline's configuration."
  type        = map(string)
  default     = { detector = "faceflow-detector", embedder = "faceflow-embedder" }
  validation {
    condition     = join(" ", keys(var.model_groups)) == "detector embedder"
    error_message = "model_groups must have detector and embedder."
  }
}

variable "endpoint_names" {
  description = "Endpoints, as in the pipeline's configuration."
  type        = map(string)
  default     = { detector = "faceflow-detection", embedder = "faceflow-embedding" }
  validation {
    condition     = join(" ", keys(var.endpoint_names)) == "detector embedder"
    error_message = "endpoint_names must have detector and embedder."
  }
}

variable "endpoints_live" {
  description = "Have both endpoints been deployed? Then they scale with their load."
  type        = bool
  default     = false
}

variable "endpoint_instances" {
  description = "Instances of an endpoint, and the invocations a minute that one is to get."
  type = object({
    min                    = optional(number, 2)
    max                    = optional(number, 8)
    invocations_per_minute = optional(number, 600)
  })
  default = {}
  validation {
    # Canary deployments shift a share of the instances: one cannot be shared.
    condition     = var.endpoint_instances.min >= 2 && var.endpoint_instances.min <= var.endpoint_instances.max
    error_message = "endpoint_instances.min must be at least 2 and at most max."
  }
}

variable "mlflow_size" {
  description = "Size of the MLflow tracking server: Small, Medium, Large; null: none."
  type        = string
  default     = null
  validation {
    condition     = var.mlflow_size == null || try(contains(["Small", "Medium", "Large"], var.mlflow_size), false)
    error_message = "mlflow_size must be Small, Medium, Large or null."
  }
}

variable "studio" {
  description = "Is there a Studio domain for notebooks?"
  type        = bool
  default     = false
}

variable "vpc" {
  description = "The VPC, its private subnets and the security groups of jobs."
  type = object({
    id                 = string
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
}

variable "pipeline_role_arn" {
  description = "Role of jobs, the tracking server and Studio."
  type        = string
}

variable "pipeline_name" {
  description = "Name of the pipeline that the schedule starts, as in configs/pipeline/retraining.yaml."
  type        = string
  default     = "faceflow-retraining"
  validation {
    condition     = can(regex("^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$", var.pipeline_name))
    error_message = "pipeline_name must be letters, digits and hyphens."
  }
}

variable "force_destroy" {
  description = "May `terraform destroy` remove the bucket and repositories with what they hold?"
  type        = bool
  default     = false
}
