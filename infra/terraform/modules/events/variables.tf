variable "kms_key_arn" {
  description = "Key of queues, topics, logs and environment variables."
  type        = string
}

variable "data_key_arn" {
  description = "Key of the buckets."
  type        = string
}

variable "buckets" {
  description = "Names of the buckets: raw, derived, embeddings, exports."
  type        = map(string)
  validation {
    condition     = length(setsubtract(["raw", "derived", "embeddings", "exports"], keys(var.buckets))) == 0
    error_message = "buckets must have raw, derived, embeddings and exports."
  }
}

variable "table_name" {
  description = "The application's table."
  type        = string
}

variable "function_role_arns" {
  description = "Role of each function."
  type        = map(string)
}

variable "service_role_arns" {
  description = "Roles of SageMaker jobs (pipeline), Step Functions (states), scheduler, task and execution."
  type        = map(string)
}

variable "images" {
  description = "Images in ECR: workers (the application's functions), pipeline (deployments), detection (Processing)."
  type = object({
    workers   = string
    pipeline  = string
    detection = string
  })
}

variable "handlers" {
  description = "Handler of each function in its image: package.module.function."
  type        = map(string)
  validation {
    condition     = alltrue([for handler in values(var.handlers) : can(regex("^[a-z_]+(\\.[a-z_]+)+$", handler))])
    error_message = "handlers must be dotted Python names."
  }
}

variable "environment" {
  description = "Environment variables of the application's functions; none is a secret."
  type        = map(string)
}

variable "pipeline_config" {
  description = "The pipeline's configuration, a file in the pipeline's image."
  type        = string
  default     = "/opt/faceflow/configs/pipeline/default.yaml"
}

variable "vpc" {
  description = "Private subnets and the functions' security groups."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
}

variable "model_groups" {
  description = "Model package groups whose approvals deploy: detector, embedder."
  type        = map(string)
}

variable "endpoint_names" {
  description = "The endpoints of the models: detector, embedder."
  type        = map(string)
}

variable "pipeline_arn" {
  description = "The SageMaker pipeline that retrains."
  type        = string
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:[0-9]{12}:pipeline/.+$", var.pipeline_arn))
    error_message = "pipeline_arn must be the ARN of a SageMaker pipeline."
  }
}

variable "retrain_schedule" {
  description = "When: cron(...) or rate(...) of EventBridge Scheduler, UTC."
  type        = string
  default     = "cron(0 3 ? * MON *)"
  validation {
    condition     = can(regex("^(cron\\([^ ]+( [^ ]+){5}\\)|rate\\([0-9]+ (minute|hour|day)s?\\))$", var.retrain_schedule))
    error_message = "retrain_schedule must be cron(minutes hours day month weekday year) or rate(n days)."
  }
}

variable "corrections_schedule" {
  description = "When corrections are published, UTC: hours before the retraining, and at least every other day, or it refuses them."
  type        = string
  default     = "cron(0 0 * * ? *)"
  validation {
    condition     = can(regex("^(cron\\([^ ]+( [^ ]+){5}\\)|rate\\([0-9]+ (minute|hour|day)s?\\))$", var.corrections_schedule))
    error_message = "corrections_schedule must be cron(minutes hours day month weekday year) or rate(n days)."
  }
}

variable "retrain_enabled" {
  description = "Does the schedule start anything?"
  type        = bool
  default     = true
}

variable "retrain_parameters" {
  description = "Parameters of the pipeline for scheduled executions, by name."
  type        = map(string)
  default     = {}
}

variable "processing" {
  description = "The Processing job of large albums."
  type = object({
    instance_type  = optional(string, "ml.c6i.4xlarge")
    instance_count = optional(number, 2)
    volume_gb      = optional(number, 200)
    max_hours      = optional(number, 12)
  })
  default = {}
  validation {
    condition     = var.processing.instance_count >= 1 && var.processing.instance_count <= 20
    error_message = "processing.instance_count must be 1 to 20."
  }
  validation {
    condition     = var.processing.max_hours > 0 && var.processing.max_hours <= 120
    error_message = "processing.max_hours must be more than 0, at most 120."
  }
}

variable "sizes" {
  description = "Photos up to which a batch is small (endpoint) or large (Processing), up to which an album is grouped by a function, and how much runs at a time."
  type = object({
    small_photos            = optional(number, 200)
    large_photos            = optional(number, 50000)
    cluster_photos          = optional(number, 20000)
    map_concurrency         = optional(number, 10)
    distributed_concurrency = optional(number, 50)
    execution_hours         = optional(number, 72)
  })
  default = {}
  validation {
    condition     = var.sizes.small_photos >= 1 && var.sizes.small_photos < var.sizes.large_photos
    error_message = "sizes.small_photos must be at least 1 and less than sizes.large_photos."
  }
  validation {
    condition     = var.sizes.map_concurrency >= 1 && var.sizes.map_concurrency <= 40
    error_message = "sizes.map_concurrency must be 1 to 40: an inline Map runs no more, and 0 is without a bound."
  }
  validation {
    condition     = var.sizes.distributed_concurrency >= 1 && var.sizes.distributed_concurrency <= 1000
    error_message = "sizes.distributed_concurrency must be 1 to 1000: 0 is without a bound."
  }
}

variable "cluster_task" {
  description = "The Fargate task that clusters very large albums: size, and the Python module that it runs."
  type = object({
    cpu       = optional(number, 8192)
    memory_mb = optional(number, 32768)
    module    = optional(string, "api.lambdas.cluster")
  })
  default = {}
}

variable "queue_concurrency" {
  description = "Most invocations at a time for one queue."
  type        = number
  default     = 20
  validation {
    condition     = var.queue_concurrency >= 2 && var.queue_concurrency <= 1000
    error_message = "queue_concurrency must be 2 to 1000."
  }
}

variable "mail_domain" {
  description = "Domain that mail is sent from."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+$", var.mail_domain))
    error_message = "mail_domain must be a domain name."
  }
}

variable "log_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 30
}
