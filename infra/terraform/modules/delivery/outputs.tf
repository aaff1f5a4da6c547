output "state_bucket" {
  description = "Where Terraform's state is."
  value       = aws_s3_bucket.state.bucket
}

output "backend" {
  description = "backend.hcl of the environment; BACKEND of the GitHub environments."
  value       = <<-EOT
    bucket     = "${aws_s3_bucket.state.bucket}"
    region     = "${var.context.region}"
    kms_key_id = "${aws_kms_key.state.arn}"
    # Terraform before 1.10 has no such lock: dynamodb_table in its place.
    use_lockfile = true
  EOT
}

output "roles" {
  description = "Roles of the workflows: PLAN_ROLE, DEPLOY_ROLE, MODELS_ROLE, and SOURCE_ROLE (pull) of prod."
  value       = { for name, role in aws_iam_role.workflow : name => role.arn }
}
