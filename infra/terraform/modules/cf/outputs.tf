output "distribution_arn" {
  description = "The distribution."
  value       = aws_cloudfront_distribution.main.arn
}

output "url" {
  description = "Where people reach the application."
  value       = "https://${try(var.domain.name, aws_cloudfront_distribution.main.domain_name)}"
}

output "signer_key_ids" {
  description = "Ids of the public keys, by their names: Key-Pair-Id of signed URLs."
  value       = { for name, key in aws_cloudfront_public_key.signer : name => key.id }
}
