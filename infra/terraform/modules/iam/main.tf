# A role for each function and service, with what it needs of which resource.
# Actions that IAM cannot bind to a resource are in `unbound` and nowhere else.

locals {
  arn     = "arn:${var.context.partition}"
  account = "${var.context.region}:${var.context.account_id}"
  table   = [var.table_arn, "${var.table_arn}/index/*"]
  objects = { for name, arn in var.bucket_arns : name => "${arn}/tenant/*" }

  # What the application publishes: BUCKET/PLACE/export, and the same without the bucket.
  published        = "${trimprefix(var.corrections_uri, "s3://")}/export"
  published_prefix = join("/", slice(split("/", local.published), 1, length(split("/", local.published))))

  read_table  = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:ConditionCheckItem"]
  write_table = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"]
  read_object = ["s3:GetObject"]
  upload      = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]

  endpoints = [
    for name in values(var.endpoint_names) : "${local.arn}:sagemaker:${local.account}:endpoint/${name}"
  ]

  # Every function of the application reads and writes the table, encrypted.
  application = [
    { actions = concat(local.read_table, local.write_table), resources = local.table },
    { actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = [var.table_key_arn, var.data_key_arn] },
  ]
  secrets = [
    { actions = ["secretsmanager:GetSecretValue"], resources = values(var.secret_arns) },
  ]
  mail = [
    { actions = ["ses:SendEmail", "ses:SendRawEmail"], resources = var.mail_arns },
  ]
  publish = [{ actions = ["events:PutEvents"], resources = [var.event_bus_arn] }]
  queues  = { for name, arn in var.queue_arns : name => [{ actions = local.consume, resources = [arn] }] }
  consume = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"]
  start   = [{ actions = ["states:StartExecution"], resources = [var.state_machine_arn] }]
  follow = [{
    actions   = ["states:DescribeExecution", "states:StopExecution"]
    resources = ["${replace(var.state_machine_arn, ":stateMachine:", ":execution:")}:*"]
  }]
  invoke = [{ actions = ["sagemaker:InvokeEndpoint"], resources = local.endpoints }]

  # Of environment variables, secrets, executions, and the queues that are read and written.
  operate = { actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = [aws_kms_key.operations.arn] }

  all_buckets = values(local.objects)
  list        = [{ actions = ["s3:ListBucket", "s3:ListBucketMultipartUploads"], resources = values(var.bucket_arns) }]

  # What each function may do, besides writing its own log and traces.
  functions = {
    # The models are asked which vectors they make; a share that is revoked takes its copies along.
    api = concat(local.application, local.secrets, local.start, local.follow, local.publish, local.invoke, local.list, [
      { actions = concat(local.read_object, local.upload, ["s3:DeleteObject"]), resources = local.all_buckets },
      { actions = ["s3:ListBucketVersions"], resources = values(var.bucket_arns) },
      { actions = ["s3:DeleteObjectVersion"], resources = [local.objects["exports"]] },
      { actions = ["sqs:SendMessage"], resources = [var.queue_arns["jobs"]] },
    ])
    sockets = [
      { actions = concat(local.read_table, local.write_table), resources = local.table },
      { actions = ["kms:Decrypt"], resources = [var.table_key_arn] },
      { actions = ["execute-api:ManageConnections"], resources = [var.sockets_arn] },
    ]
    # What arrived unannounced goes again.
    ingest = concat(local.application, local.publish, local.start, local.follow, local.queues["ingestion"], local.list, [
      { actions = concat(local.read_object, ["s3:DeleteObject"]), resources = [local.objects["raw"]] },
    ])
    # Uploads that were given up are swept away.
    extract = concat(local.application, local.publish, local.list, [
      { actions = concat(local.read_object, ["s3:DeleteObject", "s3:AbortMultipartUpload"]), resources = [local.objects["raw"]] },
      { actions = ["s3:PutObject", "s3:DeleteObject"], resources = [local.objects["derived"]] },
      { actions = ["s3:DeleteObject"], resources = [local.objects["embeddings"]] },
    ])
    deduplicate = concat(local.application, local.publish, [
      { actions = ["s3:PutObject"], resources = [local.objects["derived"]] },
    ])
    # Of a photo that is deleted meanwhile, what was made is cleared away.
    detect = concat(local.application, local.publish, local.invoke, local.list, [
      { actions = local.read_object, resources = [local.objects["raw"]] },
      { actions = ["s3:PutObject", "s3:DeleteObject"], resources = [local.objects["derived"]] },
      { actions = ["s3:DeleteObject"], resources = [local.objects["embeddings"]] },
    ])
    embed = concat(local.application, local.publish, local.invoke, local.list, [
      { actions = local.read_object, resources = [local.objects["raw"], local.objects["derived"]] },
      { actions = ["s3:PutObject", "s3:DeleteObject"], resources = [local.objects["derived"], local.objects["embeddings"]] },
    ])
    # What deleted photos left behind goes before the faces are grouped, shared copies included.
    cluster = concat(local.application, local.publish, local.invoke, local.list, [
      { actions = local.read_object, resources = [local.objects["derived"], local.objects["embeddings"]] },
      { actions = ["s3:PutObject"], resources = [local.objects["derived"], local.objects["embeddings"]] },
      { actions = ["s3:DeleteObject", "s3:AbortMultipartUpload"], resources = local.all_buckets },
      { actions = ["sqs:SendMessage"], resources = [var.queue_arns["jobs"]] },
    ])
    # Mail is a job of its own; originals that are not kept go; another batch may begin.
    notify = concat(local.application, local.publish, local.start, local.follow, local.list, [
      { actions = local.read_object, resources = [local.objects["derived"], local.objects["exports"]] },
      { actions = ["s3:PutObject"], resources = [local.objects["derived"]] },
      { actions = ["s3:DeleteObject"], resources = [local.objects["raw"], local.objects["derived"]] },
      { actions = ["sqs:SendMessage"], resources = [var.queue_arns["jobs"]] },
    ])
    # Archives, mail, erasing: jobs of the application other than ingestion.
    jobs = concat(local.application, local.publish, local.mail, local.secrets, local.invoke, local.start, local.follow, local.list, local.queues["jobs"], [
      { actions = concat(local.read_object, local.upload, ["s3:DeleteObject", "s3:DeleteObjectVersion"]), resources = local.all_buckets },
      { actions = ["s3:ListBucketVersions"], resources = values(var.bucket_arns) },
      { actions = ["sqs:SendMessage"], resources = [var.queue_arns["jobs"]] },
      { actions = ["cognito-idp:AdminDeleteUser"], resources = [var.user_pool_arn] },
      # Corrections are published beside the models, and taken away with every version.
      {
        actions   = concat(local.read_object, local.upload, ["s3:DeleteObject", "s3:DeleteObjectVersion"])
        resources = ["${local.arn}:s3:::${local.published}/*"]
      },
      {
        actions    = ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]
        resources  = [var.models_bucket_arn]
        conditions = { StringLike = { "s3:prefix" = ["${local.published_prefix}/*"] } }
      },
      { actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = [var.models_key_arn] },
    ])
    deploy = concat(local.publish, [
      {
        actions = ["sagemaker:ListModelPackages", "sagemaker:DescribeModelPackageGroup"]
        resources = [
          for group in values(var.model_groups) : "${local.arn}:sagemaker:${local.account}:model-package-group/${group}"
        ]
      },
      {
        actions = ["sagemaker:DescribeModelPackage", "sagemaker:UpdateModelPackage"]
        resources = [
          for group in values(var.model_groups) : "${local.arn}:sagemaker:${local.account}:model-package/${group}/*"
        ]
      },
      {
        actions = ["sagemaker:CreateModel", "sagemaker:DescribeModel", "sagemaker:AddTags"]
        resources = [
          for group in values(var.model_groups) : "${local.arn}:sagemaker:${local.account}:model/${group}-v*"
        ]
      },
      {
        actions = ["sagemaker:CreateEndpointConfig", "sagemaker:DescribeEndpointConfig"]
        resources = [
          for group in values(var.model_groups) : "${local.arn}:sagemaker:${local.account}:endpoint-config/${group}-v*"
        ]
      },
      {
        actions = ["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"]
        resources = concat(local.endpoints, [
          for group in values(var.model_groups) : "${local.arn}:sagemaker:${local.account}:endpoint-config/${group}-v*"
        ])
      },
      # A tag of the endpoint says which contract the application was told of.
      { actions = ["sagemaker:DescribeEndpoint", "sagemaker:ListTags", "sagemaker:AddTags"], resources = local.endpoints },
      {
        actions = ["cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms"]
        resources = flatten([
          for name in values(var.endpoint_names) : [
            "${local.arn}:cloudwatch:${local.account}:alarm:${name}-errors",
            "${local.arn}:cloudwatch:${local.account}:alarm:${name}-latency",
          ]
        ])
      },
      {
        actions    = ["iam:PassRole"]
        resources  = [aws_iam_role.service["pipeline"].arn]
        conditions = { StringEquals = { "iam:PassedToService" = "sagemaker.amazonaws.com" } }
      },
    ])
  }

  outside_vpc = ["sockets", "deploy"]

  # IAM binds these to no resource.
  unbound = {
    traces  = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    network = ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface", "ec2:DescribeSubnets", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"]
  }
}

resource "aws_iam_role" "function" {
  for_each = local.functions
  name     = "${local.prefix}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions
  name     = "work"
  role     = aws_iam_role.function[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for statement in each.value : merge(
        { Effect = "Allow", Action = statement.actions, Resource = statement.resources },
        try({ Condition = statement.conditions }, {})
      )
    ]
  })
}

# Apart from the work: a function that is made in the VPC must have these already.
resource "aws_iam_role_policy" "runtime" {
  for_each = local.functions
  name     = "runtime"
  role     = aws_iam_role.function[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${local.arn}:logs:${local.account}:log-group:/aws/lambda/${local.prefix}-${each.key}:*"]
      },
      { Effect = "Allow", Action = local.operate.actions, Resource = local.operate.resources },
      { Effect = "Allow", Action = local.unbound.traces, Resource = ["*"] }],
      contains(local.outside_vpc, each.key) ? [] : [
        { Effect = "Allow", Action = local.unbound.network, Resource = ["*"] },
      ]
    )
  })
}
