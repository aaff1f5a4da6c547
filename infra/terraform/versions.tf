# The root of the modules' tests: `terraform init && terraform test` here tests every module.
# What is applied is in envs/.
terraform {
  required_version = ">= 1.8"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}
