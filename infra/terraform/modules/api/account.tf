# API Gateway writes its logs with one role for the whole account and region.

resource "aws_iam_role" "gateway" {
  count = var.account_logging ? 1 : 0
  name  = "${local.prefix}-gateway-logs"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "apigateway.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "gateway" {
  count      = var.account_logging ? 1 : 0
  role       = aws_iam_role.gateway[0].name
  policy_arn = "${local.arn}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}

resource "aws_api_gateway_account" "main" {
  count               = var.account_logging ? 1 : 0
  cloudwatch_role_arn = aws_iam_role.gateway[0].arn
  depends_on          = [aws_iam_role_policy_attachment.gateway]
}
