# The ingestion state machine, and the task that groups the faces of very large albums.

locals {
  state_machine_arn = "${local.arn}:states:${local.account}:stateMachine:${local.prefix}-ingestion"
  definition = templatefile("${path.module}/../../../statemachines/ingestion.asl.json", {
    partition                = var.context.partition
    prefix                   = local.prefix
    extract_function         = module.function["extract"].arn
    deduplicate_function     = module.function["deduplicate"].arn
    detect_function          = module.function["detect"].arn
    embed_function           = module.function["embed"].arn
    cluster_function         = module.function["cluster"].arn
    notify_function          = module.function["notify"].arn
    derived_bucket           = var.buckets["derived"]
    table                    = var.table_name
    data_key                 = var.data_key_arn
    pipeline_role            = var.service_role_arns["pipeline"]
    processing_image         = var.images["detection"]
    processing_instance_type = var.processing.instance_type
    processing_instances     = var.processing.instance_count
    processing_volume_gb     = var.processing.volume_gb
    processing_seconds       = var.processing.max_hours * 3600
    processing_wait_seconds  = var.processing.max_hours * 3600 + 1800
    small_photos             = var.sizes.small_photos
    large_photos             = var.sizes.large_photos
    cluster_photos           = var.sizes.cluster_photos
    map_concurrency          = var.sizes.map_concurrency
    distributed_concurrency  = var.sizes.distributed_concurrency
    execution_seconds        = var.sizes.execution_hours * 3600
    cluster_arn              = "${local.arn}:ecs:${local.account}:cluster/${aws_ecs_cluster.main.name}"
    task_definition          = aws_ecs_task_definition.cluster.family
    subnets                  = jsonencode(var.vpc.subnet_ids)
    security_groups          = jsonencode(var.vpc.security_group_ids)
  })
}

resource "aws_cloudwatch_log_group" "ingestion" {
  name              = "/aws/vendedlogs/states/${local.prefix}-ingestion"
  retention_in_days = var.log_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_sfn_state_machine" "ingestion" {
  name       = "${local.prefix}-ingestion"
  role_arn   = var.service_role_arns["states"]
  definition = local.definition
  type       = "STANDARD"

  logging_configuration {
    log_destination = "${local.arn}:logs:${local.account}:log-group:${aws_cloudwatch_log_group.ingestion.name}:*"
    # Not the data: who is in a photo is nobody's business here.
    include_execution_data = false
    level                  = "ERROR"
  }

  tracing_configuration {
    enabled = true
  }

  encryption_configuration {
    type                              = "CUSTOMER_MANAGED_KMS_KEY"
    kms_key_id                        = var.kms_key_arn
    kms_data_key_reuse_period_seconds = 900
  }
}

resource "aws_ecs_cluster" "main" {
  name = local.prefix
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_cloudwatch_log_group" "cluster" {
  name              = "/ecs/${local.prefix}-cluster"
  retention_in_days = var.log_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_ecs_task_definition" "cluster" {
  family                   = "${local.prefix}-cluster"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cluster_task.cpu
  memory                   = var.cluster_task.memory_mb
  execution_role_arn       = var.service_role_arns["execution"]
  task_role_arn            = var.service_role_arns["task"]

  container_definitions = jsonencode([{
    name                   = "cluster"
    image                  = var.images["workers"]
    essential              = true
    readonlyRootFilesystem = true
    entryPoint             = ["python", "-m"]
    command                = [var.cluster_task.module]
    environment            = [for name, value in var.environment : { name = name, value = value }]
    mountPoints            = [{ sourceVolume = "scratch", containerPath = "/tmp", readOnly = false }]
    linuxParameters        = { initProcessEnabled = true }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.cluster.name
        "awslogs-region"        = var.context.region
        "awslogs-stream-prefix" = "cluster"
      }
    }
  }])

  volume {
    name = "scratch"
  }

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }
}
