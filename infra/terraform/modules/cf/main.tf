# CloudFront: the application under one name, and objects by signed URLs.

locals {
  buckets = { for name in ["raw", "derived", "exports"] : name => var.bucket_domains[name] }
  # Which object is in which bucket, the first that fits; api/objects/keys.py makes the keys.
  objects = [
    { pattern = "tenant/*/share/*", bucket = "exports" },
    { pattern = "tenant/*/thumb/*", bucket = "derived" },
    { pattern = "tenant/*/crops/*", bucket = "derived" },
    { pattern = "tenant/*", bucket = "raw" },
  ]
  # CloudFront's managed policies have the same ids in every account.
  no_cache         = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad" # CachingDisabled
  cache            = "658327ea-f89d-4fab-a63d-7e88639e58f6" # CachingOptimized
  viewer_less_host = "b689b0a8-53d0-40ab-baf2-68738e2966ac" # AllViewerExceptHostHeader
  # Without a Content-Security-Policy: that of each page is the application's, api/server/web.py.
  security_headers = "67f7725c-6f97-4210-82d7-5512b31e9d03" # SecurityHeadersPolicy
}

# The newest signs, all are trusted: a key is replaced by adding one, then removing the old.
resource "aws_cloudfront_public_key" "signer" {
  for_each    = var.signer_public_keys
  name        = "${local.prefix}-${each.key}"
  encoded_key = each.value
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudfront_key_group" "signer" {
  name  = "${local.prefix}-signers"
  items = [for key in aws_cloudfront_public_key.signer : key.id]
}

resource "aws_cloudfront_origin_access_control" "objects" {
  name                              = local.prefix
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

# The name of a download is in the query, which S3 answers with.
resource "aws_cloudfront_cache_policy" "objects" {
  name        = "${local.prefix}-objects"
  min_ttl     = 0
  default_ttl = 86400
  max_ttl     = 31536000
  parameters_in_cache_key_and_forwarded_to_origin {
    cookies_config {
      cookie_behavior = "none"
    }
    headers_config {
      header_behavior = "none"
    }
    query_strings_config {
      query_string_behavior = "whitelist"
      query_strings {
        items = ["response-content-disposition"]
      }
    }
  }
}

# Photos are people's own: browsers keep them for a while, nobody in between, and nothing in them runs.
resource "aws_cloudfront_response_headers_policy" "objects" {
  #checkov:skip=CKV_AWS_259:Preloading and subdomains are for the owner of the domain to decide
  name = "${local.prefix}-objects"
  security_headers_config {
    content_type_options {
      override = true
    }
    strict_transport_security {
      access_control_max_age_sec = 31536000
      override                   = true
    }
    content_security_policy {
      content_security_policy = "default-src 'none'; sandbox"
      override                = true
    }
  }
  custom_headers_config {
    items {
      header   = "Cache-Control"
      value    = "private, max-age=900, immutable"
      override = true
    }
  }
}

resource "aws_cloudfront_distribution" "main" {
  #checkov:skip=CKV_AWS_305:The application answers "/"
  comment         = "FaceFlow ${var.context.environment}"
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  price_class     = var.price_class
  aliases         = var.domain == null ? [] : [var.domain.name]
  web_acl_id      = aws_wafv2_web_acl.edge.arn

  origin {
    origin_id   = "api"
    domain_name = var.api_host
    origin_path = "/main"
    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
      origin_read_timeout    = 30
    }
    custom_header {
      name  = "x-api-key"
      value = var.api_key
    }
  }

  dynamic "origin" {
    for_each = local.buckets
    content {
      origin_id                = origin.key
      domain_name              = origin.value
      origin_access_control_id = aws_cloudfront_origin_access_control.objects.id
    }
  }

  default_cache_behavior {
    target_origin_id           = "api"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods             = ["GET", "HEAD"]
    cache_policy_id            = local.no_cache
    origin_request_policy_id   = local.viewer_less_host
    response_headers_policy_id = local.security_headers
    compress                   = true
  }

  # Names with a hash in them.
  ordered_cache_behavior {
    path_pattern           = "_next/static/*"
    target_origin_id       = "api"
    viewer_protocol_policy = "redirect-to-https"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = local.cache
    compress               = true
  }

  dynamic "ordered_cache_behavior" {
    for_each = local.objects
    content {
      path_pattern               = ordered_cache_behavior.value.pattern
      target_origin_id           = ordered_cache_behavior.value.bucket
      viewer_protocol_policy     = "https-only"
      allowed_methods            = ["GET", "HEAD"]
      cached_methods             = ["GET", "HEAD"]
      cache_policy_id            = aws_cloudfront_cache_policy.objects.id
      response_headers_policy_id = aws_cloudfront_response_headers_policy.objects.id
      trusted_key_groups         = [aws_cloudfront_key_group.signer.id]
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = var.domain == null
    acm_certificate_arn            = try(var.domain.certificate_arn, null)
    ssl_support_method             = var.domain == null ? null : "sni-only"
    minimum_protocol_version       = var.domain == null ? "TLSv1" : "TLSv1.2_2021"
  }

  logging_config {
    bucket = var.logs_domain
    prefix = "cloudfront/"
    # Cookies are not logged; queries are, and signatures in them expire.
    include_cookies = false
  }
}

# The firewall at the edge lives in us-east-1, wherever the rest is.
resource "aws_wafv2_web_acl" "edge" {
  #checkov:skip=CKV2_AWS_31:CloudFront's access logs tell every request, and samples of what was blocked are kept
  provider = aws.us_east_1
  name     = "${local.prefix}-edge"
  scope    = "CLOUDFRONT"

  default_action {
    allow {}
  }

  rule {
    name     = "rate"
    priority = 0
    action {
      block {}
    }
    statement {
      rate_based_statement {
        aggregate_key_type = "IP"
        limit              = var.requests_per_address
      }
    }
    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "rate"
      sampled_requests_enabled   = true
    }
  }

  dynamic "rule" {
    for_each = {
      AWSManagedRulesAmazonIpReputationList = 1
      AWSManagedRulesKnownBadInputsRuleSet  = 2
    }
    content {
      name     = rule.key
      priority = rule.value
      override_action {
        none {}
      }
      statement {
        managed_rule_group_statement {
          name        = rule.key
          vendor_name = "AWS"
        }
      }
      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = rule.key
        sampled_requests_enabled   = true
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = "${local.prefix}-edge"
    sampled_requests_enabled   = true
  }
}
