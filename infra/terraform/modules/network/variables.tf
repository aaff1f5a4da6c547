variable "cidr" {
  description = "Addresses of the VPC."
  type        = string
  default     = "10.20.0.0/16"
  validation {
    condition     = can(cidrhost(var.cidr, 0)) && try(tonumber(split("/", var.cidr)[1]) <= 20, false)
    error_message = "cidr must be an IPv4 block of /20 or larger."
  }
}

variable "zones" {
  description = "Availability zones, a private subnet in each."
  type        = number
  default     = 2
  validation {
    condition     = var.zones >= 2 && var.zones <= 6
    error_message = "zones must be 2 to 6."
  }
}

variable "interface_endpoints" {
  description = "AWS services that are reached from the VPC, besides S3 and DynamoDB. Not execute-api: its private names would hide the public WebSocket API, so what pushes to it runs outside of the VPC."
  type        = list(string)
  default = [
    "cognito-idp", "ecr.api", "ecr.dkr", "email", "events", "kms", "logs", "monitoring",
    "sagemaker.api", "sagemaker.runtime", "secretsmanager", "sqs", "states", "sts",
  ]
  validation {
    condition = length(setsubtract(
      ["sagemaker.api", "sagemaker.runtime", "ecr.api", "ecr.dkr"], var.interface_endpoints
    )) == 0
    error_message = "interface_endpoints must have SageMaker's and ECR's."
  }
  validation {
    condition     = !contains(var.interface_endpoints, "execute-api")
    error_message = "interface_endpoints must not have execute-api."
  }
}

variable "kms_key_arn" {
  description = "Key of the flow logs."
  type        = string
}

variable "log_days" {
  description = "Days for which flow logs are kept."
  type        = number
  default     = 30
}
