output "buckets" {
  description = "Names of the buckets: raw, derived, embeddings, exports."
  value       = { for name, bucket in aws_s3_bucket.data : name => bucket.bucket }
}

output "bucket_arns" {
  description = "ARNs of the buckets, by the same names."
  value = {
    for name, bucket in aws_s3_bucket.data :
    name => "arn:${var.context.partition}:s3:::${bucket.bucket}"
  }
}

output "bucket_domains" {
  description = "Regional domain names, for CloudFront."
  value       = { for name, bucket in aws_s3_bucket.data : name => bucket.bucket_regional_domain_name }
}

output "logs_domain" {
  description = "Domain name of the bucket of access logs."
  value       = aws_s3_bucket.logs.bucket_domain_name
}

output "kms_key_arn" {
  description = "The key that objects are encrypted with."
  value       = aws_kms_key.data.arn
}
