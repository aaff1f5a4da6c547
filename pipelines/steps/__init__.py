"""Programs of the pipeline's processing jobs: ``python -m pipelines.steps NAME ARGUMENTS``."""
