output "pool_ids" {
  description = "Ids of the user pool, of its client and the host of its sign-in pages."
  value = {
    user_pool = aws_cognito_user_pool.main.id
    client    = aws_cognito_user_pool_client.app.id
    domain    = "${aws_cognito_user_pool_domain.main.domain}.auth.${var.context.region}.amazoncognito.com"
  }
}

output "pool_arn" {
  description = "ARN of the user pool."
  value       = aws_cognito_user_pool.main.arn
}

output "issuer" {
  description = "Issuer of the tokens; its keys are under /.well-known/jwks.json."
  value       = "https://cognito-idp.${var.context.region}.amazonaws.com/${aws_cognito_user_pool.main.id}"
}
