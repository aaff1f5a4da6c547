# Roles that services of AWS act in.

locals {
  services = {
    pipeline  = "sagemaker.amazonaws.com"
    states    = "states.amazonaws.com"
    scheduler = "scheduler.amazonaws.com"
    task      = "ecs-tasks.amazonaws.com"
    execution = "ecs-tasks.amazonaws.com"
  }

  sagemaker = "${local.arn}:sagemaker:${local.account}"
  log_group = "${local.arn}:logs:${local.account}:log-group"
  steps     = ["extract", "deduplicate", "detect", "embed", "cluster", "notify"]

  # Disks of jobs are encrypted by EBS, which gets a grant from whoever asks for the job, and from the
  # job's role.
  volumes = {
    actions    = ["kms:CreateGrant"]
    resources  = [var.data_key_arn, var.models_key_arn]
    conditions = { Bool = { "kms:GrantIsForAWSResource" = "true" } }
  }

  pipeline = [
    { actions = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], resources = ["${var.models_bucket_arn}/*"] },
    { actions = ["s3:ListBucket", "s3:GetBucketLocation"], resources = [var.models_bucket_arn] },
    # Jobs of large albums read originals and write what they find.
    { actions = ["s3:GetObject"], resources = [local.objects["raw"], local.objects["derived"]] },
    { actions = ["s3:PutObject"], resources = [local.objects["derived"]] },
    { actions = ["s3:ListBucket"], resources = [var.bucket_arns["raw"], var.bucket_arns["derived"]] },
    { actions = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"], resources = [var.data_key_arn, var.models_key_arn] },
    local.volumes,
    {
      actions   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
      resources = values(var.repository_arns)
    },
    { actions = ["ecr:GetAuthorizationToken"], resources = ["*"] },
    {
      actions   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
      resources = ["${local.log_group}:/aws/sagemaker/*"]
    },
    {
      actions    = ["cloudwatch:PutMetricData"]
      resources  = ["*"]
      conditions = { StringLike = { "cloudwatch:namespace" = ["/aws/sagemaker/*", "aws/sagemaker/*"] } }
    },
    {
      actions = [
        "sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob",
        "sagemaker:CreateProcessingJob", "sagemaker:DescribeProcessingJob", "sagemaker:StopProcessingJob",
        "sagemaker:AddTags",
      ]
      # Steps of a pipeline are named by SageMaker: pipelines-EXECUTION-STEP.
      resources = ["${local.sagemaker}:training-job/pipelines-*", "${local.sagemaker}:processing-job/pipelines-*"]
    },
    {
      actions = ["sagemaker:CreateModelPackageGroup", "sagemaker:DescribeModelPackageGroup", "sagemaker:ListModelPackages"]
      resources = [
        for group in values(var.model_groups) : "${local.sagemaker}:model-package-group/${group}"
      ]
    },
    {
      actions = ["sagemaker:CreateModelPackage", "sagemaker:DescribeModelPackage"]
      resources = flatten([
        for group in values(var.model_groups) :
        ["${local.sagemaker}:model-package-group/${group}", "${local.sagemaker}:model-package/${group}/*"]
      ])
    },
    {
      actions    = ["iam:PassRole"]
      resources  = ["${local.arn}:iam::${var.context.account_id}:role/${local.prefix}-pipeline"]
      conditions = { StringEquals = { "iam:PassedToService" = "sagemaker.amazonaws.com" } }
    },
    {
      actions = [
        "sagemaker-mlflow:AccessUI", "sagemaker-mlflow:CreateExperiment", "sagemaker-mlflow:GetExperiment",
        "sagemaker-mlflow:GetExperimentByName", "sagemaker-mlflow:SearchExperiments", "sagemaker-mlflow:CreateRun",
        "sagemaker-mlflow:GetRun", "sagemaker-mlflow:UpdateRun", "sagemaker-mlflow:SearchRuns",
        "sagemaker-mlflow:LogMetric", "sagemaker-mlflow:LogParam", "sagemaker-mlflow:LogBatch",
        "sagemaker-mlflow:LogModel", "sagemaker-mlflow:LogInputs", "sagemaker-mlflow:SetTag",
        "sagemaker-mlflow:ListArtifacts", "sagemaker-mlflow:GetMetricHistory",
      ]
      resources = ["${local.sagemaker}:mlflow-tracking-server/${local.prefix}"]
    },
    # Jobs without network isolation run in the VPC.
    {
      actions = [
        "ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission", "ec2:DescribeNetworkInterfaces", "ec2:DescribeVpcs",
        "ec2:DescribeDhcpOptions", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups",
      ]
      resources = ["*"]
    },
  ]

  states = [
    {
      actions = ["lambda:InvokeFunction"]
      resources = flatten([
        for step in local.steps : [
          "${local.arn}:lambda:${local.account}:function:${local.prefix}-${step}",
          "${local.arn}:lambda:${local.account}:function:${local.prefix}-${step}:*",
        ]
      ])
    },
    {
      actions   = ["sagemaker:CreateProcessingJob", "sagemaker:DescribeProcessingJob", "sagemaker:StopProcessingJob", "sagemaker:AddTags"]
      resources = ["${local.sagemaker}:processing-job/${local.prefix}-*"]
    },
    {
      actions    = ["iam:PassRole"]
      resources  = [aws_iam_role.service["pipeline"].arn]
      conditions = { StringEquals = { "iam:PassedToService" = "sagemaker.amazonaws.com" } }
    },
    # How Step Functions waits for a job that is `.sync`.
    {
      actions   = ["events:PutTargets", "events:PutRule", "events:DescribeRule"]
      resources = ["${local.arn}:events:${local.account}:rule/StepFunctionsGetEventsForSageMakerProcessingJobsRule"]
    },
    {
      actions    = ["ecs:RunTask"]
      resources  = ["${local.arn}:ecs:${local.account}:task-definition/${local.prefix}-cluster:*"]
      conditions = { ArnEquals = { "ecs:cluster" = "${local.arn}:ecs:${local.account}:cluster/${local.prefix}" } }
    },
    {
      actions   = ["iam:PassRole"]
      resources = [aws_iam_role.service["task"].arn, aws_iam_role.service["execution"].arn]
      conditions = {
        StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" }
      }
    },
    # Distributed Map: its children are executions of the same machine.
    { actions = ["states:StartExecution"], resources = [var.state_machine_arn] },
    {
      actions   = ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"]
      resources = ["${replace(var.state_machine_arn, ":stateMachine:", ":execution:")}*"]
    },
    { actions = concat(local.read_object, local.upload), resources = [local.objects["derived"]] },
    { actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = [var.data_key_arn, var.table_key_arn, aws_kms_key.operations.arn] },
    merge(local.volumes, { resources = [var.data_key_arn] }),
    # The failure state writes the job's row itself: it works when the functions do not.
    { actions = ["dynamodb:UpdateItem"], resources = [var.table_arn] },
    { actions = local.unbound.traces, resources = ["*"] },
    # Logs of Step Functions are set up through the log delivery, which IAM binds to nothing.
    {
      actions = [
        "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
        "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
      ]
      resources = ["*"]
    },
  ]

  service_statements = {
    pipeline = local.pipeline
    states   = local.states
    scheduler = [
      { actions = ["sagemaker:StartPipelineExecution"], resources = [var.pipeline_arn] },
      { actions = ["sqs:SendMessage"], resources = [var.queue_arns["jobs"], var.queue_arns["jobs-dead"]] },
      { actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = [aws_kms_key.operations.arn] },
    ]
    # Clustering on Fargate: what the function may do, and the answer to Step Functions. IAM binds
    # task tokens to no resource other than the machine's.
    task = concat(local.functions["cluster"], [
      local.operate,
      {
        actions   = ["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"]
        resources = [var.state_machine_arn]
      },
    ])
    execution = [
      {
        actions   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
        resources = [var.repository_arns["api"]]
      },
      { actions = ["ecr:GetAuthorizationToken"], resources = ["*"] },
      { actions = ["logs:CreateLogStream", "logs:PutLogEvents"], resources = ["${local.log_group}:/ecs/${local.prefix}-cluster:*"] },
    ]
  }
}

resource "aws_iam_role" "service" {
  for_each = local.services
  name     = "${local.prefix}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = each.value }
      # Nobody else's resources may have the service act in this role.
      Condition = { StringEquals = { "aws:SourceAccount" = var.context.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "service" {
  for_each = local.service_statements
  name     = "work"
  role     = aws_iam_role.service[each.key].id
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
