output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.main.id
}

output "private_subnet_ids" {
  description = "Private subnets, one in each zone."
  value       = aws_subnet.private[*].id
}

output "work_security_group_id" {
  description = "Security group of functions, tasks and jobs."
  value       = aws_security_group.work.id
}
