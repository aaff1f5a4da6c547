variable "table_arn" {
  description = "The application's table."
  type        = string
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:dynamodb:", var.table_arn))
    error_message = "table_arn must be an ARN of dynamodb."
  }
}

variable "table_key_arn" {
  description = "Key of the table."
  type        = string
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.table_key_arn))
    error_message = "table_key_arn must be an ARN of kms."
  }
}

variable "bucket_arns" {
  description = "Buckets of the application."
  type        = map(string)
  validation {
    condition     = length(setsubtract(["raw", "derived", "embeddings", "exports"], keys(var.bucket_arns))) == 0
    error_message = "bucket_arns must have raw, derived, embeddings, exports."
  }
}

variable "data_key_arn" {
  description = "Key of those buckets."
  type        = string
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.data_key_arn))
    error_message = "data_key_arn must be an ARN of kms."
  }
}

variable "models_bucket_arn" {
  description = "Bucket of training data and models."
  type        = string
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:s3:", var.models_bucket_arn))
    error_message = "models_bucket_arn must be an ARN of s3."
  }
}

variable "models_key_arn" {
  description = "Key of that bucket."
  type        = string
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.models_key_arn))
    error_message = "models_key_arn must be an ARN of kms."
  }
}

variable "corrections_uri" {
  description = "Where corrections are published, under export/: a place in the bucket of models."
  type        = string
  validation {
    condition     = can(regex("^s3://[a-z0-9.-]+(/[A-Za-z0-9_.-]+)+$", var.corrections_uri))
    error_message = "corrections_uri must be s3://BUCKET/PLACE."
  }
}

variable "queue_arns" {
  description = "Queues."
  type        = map(string)
  validation {
    condition     = length(setsubtract(["ingestion", "jobs", "jobs-dead"], keys(var.queue_arns))) == 0
    error_message = "queue_arns must have ingestion, jobs, jobs-dead."
  }
}

variable "state_machine_arn" {
  description = "The ingestion state machine."
  type        = string
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:states:", var.state_machine_arn))
    error_message = "state_machine_arn must be an ARN of states."
  }
}

variable "event_bus_arn" {
  description = "The application's event bus."
  type        = string
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:events:", var.event_bus_arn))
    error_message = "event_bus_arn must be an ARN of events."
  }
}

variable "sockets_arn" {
  description = "Connections of the WebSocket API: execute-api ARN of its stage."
  type        = string
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:execute-api:", var.sockets_arn))
    error_message = "sockets_arn must be an ARN of execute-api."
  }
}

variable "secret_arns" {
  description = "Secrets that the application reads."
  type        = map(string)
  validation {
    condition     = length(setsubtract(["signing-keys"], keys(var.secret_arns))) == 0
    error_message = "secret_arns must have signing-keys."
  }
}

variable "mail_arns" {
  description = "SES identities and configuration sets that mail is sent with."
  type        = list(string)
  validation {
    condition     = alltrue([for arn in var.mail_arns : can(regex("^arn:aws[a-z-]*:ses:", arn))])
    error_message = "mail_arns must be ARNs of ses."
  }
}

variable "user_pool_arn" {
  description = "Where people sign in: who erases an account removes its user."
  type        = string
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:cognito-idp:", var.user_pool_arn))
    error_message = "user_pool_arn must be an ARN of cognito-idp."
  }
}

variable "repository_arns" {
  description = "ECR repositories."
  type        = map(string)
  validation {
    condition     = length(setsubtract(["api", "detection", "embedding"], keys(var.repository_arns))) == 0
    error_message = "repository_arns must have api, detection, embedding."
  }
}

variable "endpoint_names" {
  description = "SageMaker endpoints, as in the pipeline's configuration."
  type        = map(string)
  validation {
    condition     = length(setsubtract(["detector", "embedder"], keys(var.endpoint_names))) == 0
    error_message = "endpoint_names must have detector, embedder."
  }
}

variable "model_groups" {
  description = "Model package groups, as in the pipeline's configuration."
  type        = map(string)
  validation {
    condition     = length(setsubtract(["detector", "embedder"], keys(var.model_groups))) == 0
    error_message = "model_groups must have detector, embedder."
  }
}

variable "pipeline_arn" {
  description = "The SageMaker pipeline that the schedule starts."
  type        = string
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:sagemaker:", var.pipeline_arn))
    error_message = "pipeline_arn must be an ARN of sagemaker."
  }
}
