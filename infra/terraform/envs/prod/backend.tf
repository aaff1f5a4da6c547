# The bucket and its key are of the account: `terraform init -backend-config=backend.hcl` with
# bucket, region and kms_key_id. The lock is an object beside the state; Terraform before 1.10 takes
# a dynamodb_table in backend.hcl in place of use_lockfile.
terraform {
  backend "s3" {
    key          = "faceflow/prod/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
