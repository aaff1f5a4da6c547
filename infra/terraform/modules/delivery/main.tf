# What an account needs before anything is applied to it: a place for Terraform's state, and roles
# that GitHub's workflows take on by OIDC. There is no long-lived key: a workflow's token names
# repository and environment, and GitHub has the environment's reviewers approve first.

locals {
  arn     = "arn:${var.context.partition}"
  account = "${var.context.region}:${var.context.account_id}"
  issuer  = "token.actions.githubusercontent.com"

  # Which environment of GitHub takes on which role.
  roles = merge(
    {
      plan   = "${var.context.environment}-plan"
      deploy = var.context.environment
      models = var.context.environment
    },
    var.promotes_to == null ? {} : { pull = var.promotes_to },
  )

  state_objects = "${aws_s3_bucket.state.arn}/faceflow/*"
  read_state = [
    { actions = ["s3:ListBucket"], resources = [aws_s3_bucket.state.arn] },
    { actions = ["s3:GetObject"], resources = [local.state_objects] },
    { actions = ["kms:Decrypt"], resources = [aws_kms_key.state.arn] },
  ]
  # Keys that these services use for whoever asks them: without, AWS tells no environment variables of a
  # function, no definition of a state machine, no target of a rule or a schedule.
  configured = [for service in ["events", "lambda", "scheduler", "states"] : "${service}.${var.context.region}.amazonaws.com"]
  # And these to make what they encrypt.
  made         = [for service in ["dynamodb", "secretsmanager"] : "${service}.${var.context.region}.amazonaws.com"]
  repositories = ["${local.arn}:ecr:${local.account}:repository/${var.context.project}-*"]
  pull = [
    { actions = ["ecr:GetAuthorizationToken"], resources = ["*"] },
    {
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer"]
      resources = local.repositories
    },
  ]

  statements = merge(
    {
      plan = concat(local.read_state, [
        {
          actions    = ["kms:Decrypt"]
          resources  = ["${local.arn}:kms:${local.account}:key/*"]
          conditions = { StringEquals = { "kms:ViaService" = local.configured } }
        },
      ])
      deploy = concat(local.read_state, local.pull, [
        { actions = ["s3:PutObject", "s3:DeleteObject"], resources = [local.state_objects] },
        { actions = ["kms:GenerateDataKey"], resources = [aws_kms_key.state.arn] },
        # The stack's own roles, and no others. Who makes roles may do all in the account:
        # reviewers of the environment stand before this role.
        {
          actions = [
            "iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy",
            "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole",
            "iam:ListRolePolicies", "iam:ListRoleTags", "iam:PassRole", "iam:PutRolePolicy", "iam:TagRole",
            "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole",
          ]
          resources = ["${local.arn}:iam::${var.context.account_id}:role/${local.prefix}-*"]
        },
      ])
      models = [
        { actions = ["sagemaker:InvokeEndpoint", "sagemaker:DescribeEndpoint", "sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"], resources = local.endpoints },
        {
          actions   = ["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint", "sagemaker:CreateEndpointConfig", "sagemaker:DescribeEndpointConfig"]
          resources = [for group in var.model_groups : "${local.arn}:sagemaker:${local.account}:endpoint-config/${group}-v*"]
        },
        {
          actions   = ["sagemaker:AddTags", "sagemaker:CreateModel", "sagemaker:DescribeModel"]
          resources = [for group in var.model_groups : "${local.arn}:sagemaker:${local.account}:model/${group}-v*"]
        },
        {
          actions   = ["sagemaker:DescribeModelPackageGroup", "sagemaker:ListModelPackages"]
          resources = [for group in var.model_groups : "${local.arn}:sagemaker:${local.account}:model-package-group/${group}"]
        },
        {
          actions   = ["sagemaker:DescribeModelPackage", "sagemaker:UpdateModelPackage"]
          resources = [for group in var.model_groups : "${local.arn}:sagemaker:${local.account}:model-package/${group}/*"]
        },
        {
          actions = ["cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm"]
          resources = flatten([for name in var.endpoint_names : [
            "${local.arn}:cloudwatch:${local.account}:alarm:${name}-errors",
            "${local.arn}:cloudwatch:${local.account}:alarm:${name}-latency",
          ]])
        },
        {
          actions    = ["iam:PassRole"]
          resources  = ["${local.arn}:iam::${var.context.account_id}:role/${local.prefix}-pipeline"]
          conditions = { StringEquals = { "iam:PassedToService" = "sagemaker.amazonaws.com" } }
        },
      ]
    },
    var.promotes_to == null ? {} : { pull = local.pull },
  )
  endpoints = [for name in var.endpoint_names : "${local.arn}:sagemaker:${local.account}:endpoint/${name}"]

  # AWS's own policies, which name no resources: what Terraform reads, and what it makes besides IAM.
  managed = {
    plan   = "ReadOnlyAccess"
    deploy = "PowerUserAccess"
  }
}

resource "aws_kms_key" "state" {
  description             = "${local.prefix}: Terraform's state"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

# S3 deletes no bucket that holds anything, and nothing here empties it.
resource "aws_s3_bucket" "state" {
  #checkov:skip=CKV_AWS_18:Made before any bucket for logs; CloudTrail has the calls
  bucket = "${local.prefix}-state-${var.context.account_id}"
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.state.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "state" {
  bucket     = aws_s3_bucket.state.id
  depends_on = [aws_s3_bucket_versioning.state]
  rule {
    id     = "old-states"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
    noncurrent_version_expiration {
      noncurrent_days = 90
    }
  }
}

resource "aws_s3_bucket_policy" "state" {
  bucket = aws_s3_bucket.state.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.state.arn, "${aws_s3_bucket.state.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
  depends_on = [aws_s3_bucket_public_access_block.state]
}

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "workflow" {
  for_each             = local.roles
  name                 = "${var.context.project}-delivery-${each.key}"
  description          = "GitHub's environment ${each.value} of ${var.repository}"
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = aws_iam_openid_connect_provider.github.arn }
      Condition = {
        StringEquals = {
          "${local.issuer}:aud" = "sts.amazonaws.com"
          "${local.issuer}:sub" = "repo:${var.repository}:environment:${each.value}"
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "workflow" {
  for_each = local.roles
  name     = "work"
  role     = aws_iam_role.workflow[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for statement in local.statements[each.key] : merge(
        { Effect = "Allow", Action = statement.actions, Resource = statement.resources },
        try({ Condition = statement.conditions }, {})
      )
    ]
  })
}

resource "aws_iam_role_policy_attachment" "workflow" {
  for_each   = local.managed
  role       = aws_iam_role.workflow[each.key].name
  policy_arn = "${local.arn}:iam::aws:policy/${each.value}"
}

# Neither planning nor deploying reads what people gave us: AWS's policies above would allow it.
resource "aws_iam_role_policy" "no_data" {
  for_each = local.managed
  name     = "no-data"
  role     = aws_iam_role.workflow[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "NoPhotos"
        Effect = "Deny"
        Action = ["s3:GetObject", "s3:GetObjectVersion"]
        # All but the state.
        NotResource = [local.state_objects]
      },
      {
        Sid    = "NoRowsNoSecretsNoMessages"
        Effect = "Deny"
        Action = [
          "dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PartiQLSelect", "dynamodb:Query", "dynamodb:Scan",
          "dynamodb:ExportTableToPointInTime", "dynamodb:GetRecords", "secretsmanager:GetSecretValue",
          "sqs:ReceiveMessage", "cognito-idp:ListUsers", "cognito-idp:AdminGetUser", "logs:GetLogEvents",
          "logs:FilterLogEvents", "logs:StartQuery", "states:DescribeExecution", "states:GetExecutionHistory", "lambda:InvokeFunction",
          "sagemaker:CreatePresignedDomainUrl",
        ]
        Resource = "*"
      },
      {
        Sid         = "NoKeysButForWhatIsConfigured"
        Effect      = "Deny"
        Action      = ["kms:Decrypt"]
        NotResource = [aws_kms_key.state.arn]
        Condition = {
          StringNotEqualsIfExists = { "kms:ViaService" = concat(local.configured, local.made) }
        }
      },
    ]
  })
}
