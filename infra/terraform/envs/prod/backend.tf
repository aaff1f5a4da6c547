# The bucket, its key and the lock are of the account: `terraform init -backend-config=backend.hcl`
# with what `make bootstrap` wrote.
terraform {
  backend "s3" {
    key     = "faceflow/prod/terraform.tfstate"
    encrypt = true
  }
}
