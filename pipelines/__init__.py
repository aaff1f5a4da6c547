"""Train, evaluate, register and deploy the models, on SageMaker or on one machine."""

from pathlib import Path

DEFAULT_CONFIG = Path("configs/pipeline/default.yaml")
"""The configuration where none is named."""
