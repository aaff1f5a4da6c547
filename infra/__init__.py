"""The infrastructure: Terraform, the state machine, delivery and the cost model."""
