"""Network architectures, created by name through the registry."""

from faceflow_ml.models.registry import create_model, list_models

__all__ = ["create_model", "list_models"]
