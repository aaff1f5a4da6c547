"""Which MLflow store is used."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec

import pytest

from faceflow_ml.errors import ConfigError
from faceflow_ml.tracking.stores import DEFAULT_STORE, tracking_uri

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/faceflow"


def test_a_given_store_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri() == DEFAULT_STORE
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert tracking_uri() == "http://tracking:5000"
    assert tracking_uri("sqlite:///other.db") == "sqlite:///other.db"


def test_an_arn_reaches_sagemakers_store() -> None:
    pytest.importorskip("sagemaker_mlflow")
    from mlflow.tracking._tracking_service.utils import _get_store

    assert type(_get_store(tracking_uri(ARN))).__name__ == "MlflowSageMakerStore"


def test_an_arn_without_the_plugin_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "sagemaker_mlflow" else find(name, package)

    monkeypatch.setattr("faceflow_ml.tracking.stores.find_spec", without)
    with pytest.raises(ConfigError, match=r"faceflow-ml\[aws\]"):
        tracking_uri(ARN)


def test_a_store_of_no_known_kind_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mysq://me:secret@host/db")
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI begins with 'mysq:'") as failed:
        tracking_uri()
    assert "secret" not in str(failed.value)
    for known in ("mysql+pymysql://me@host/db", "C:\\runs", "runs", "https://host"):
        assert tracking_uri(known) == known
