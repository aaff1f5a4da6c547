"""Which MLflow store to use: a SQLite file, a server, or SageMaker's by its ARN."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec

from faceflow_ml.errors import ConfigError

DEFAULT_STORE = "sqlite:///mlflow.db"
"""A file in the working folder."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.-]+)(?:\+[a-z0-9]+)?:")  # no drive's letter
_STORES = frozenset(
    ("arn", "databricks", "file", "http", "https", "mssql", "mysql", "postgresql", "sqlite")
)


def tracking_uri(uri: str | None = None) -> str:
    """``uri``, else that of ``MLFLOW_TRACKING_URI``, else `DEFAULT_STORE`.

    A store is a database (``sqlite:///mlflow.db``), a server (``http://host:5000``) or SageMaker's
    tracking server or MLflow app by its ARN.

    Raises:
        ConfigError: none of these; or an ARN, without the plugin that speaks to it.

    >>> tracking_uri("http://127.0.0.1:5000")
    'http://127.0.0.1:5000'
    """
    chosen = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_STORE
    scheme = _SCHEME.match(chosen)
    if scheme is not None and scheme[1].lower() not in _STORES:
        name = "the tracking store" if uri else "MLFLOW_TRACKING_URI"
        # No more of it is told: addresses of databases hold passwords.
        raise ConfigError(
            f"{name} begins with {scheme[0]!r}; it should be like {DEFAULT_STORE}, "
            "http://HOST:5000 or arn:..."
        )
    if chosen.startswith("arn:") and find_spec("sagemaker_mlflow") is None:
        raise ConfigError(f"{chosen} needs sagemaker-mlflow: pip install 'faceflow-ml[aws]'")
    return chosen
