# Once for each account, by a person who administers it: `make bootstrap ENV=dev
# ARGS='-var=repository=owner/name'`. Its own state stays beside it as ENV.tfstate: keep it, or import
# what it made.

provider "aws" {
  region = var.region
  default_tags {
    tags = { Project = "faceflow", Environment = var.environment, ManagedBy = "terraform" }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

module "delivery" {
  source = "../modules/delivery"
  context = {
    project     = "faceflow"
    environment = var.environment
    region      = var.region
    account_id  = data.aws_caller_identity.current.account_id
    partition   = data.aws_partition.current.partition
  }
  repository  = var.repository
  promotes_to = var.environment == "dev" ? "prod" : null
}

variable "environment" {
  description = "dev or prod."
  type        = string
}

variable "region" {
  description = "Where the state is."
  type        = string
  default     = "eu-west-1"
}

variable "repository" {
  description = "GitHub repository whose workflows deploy: owner/name."
  type        = string
}

output "backend" {
  description = "backend.hcl of the environment."
  value       = module.delivery.backend
}

output "roles" {
  description = "Roles of the workflows."
  value       = module.delivery.roles
}
