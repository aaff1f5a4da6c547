"""The registry on this machine: MLflow's, with the aliases ``champion`` and ``challenger``.

A version's files are in an MLflow run, with the metrics of its evaluation. They are a model of
the flavour of `faceflow_ml.tracking`, so that ``models:/faceflow-embedder@champion`` loads wherever
a model is asked for, and with ``mlflow.pyfunc``.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import unpack_archive
from faceflow_ml.inference.pretrained import MANIFEST_NAME
from pipelines.registry import PENDING, Version

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
_MODEL = "model"
_TAG = "faceflow."
# What the store says where there is no such model, and where a model has no such alias.
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class MlflowRegistry:
    """Registered models in an MLflow store.

    tracking_uri: of the store. artifacts: folder for files of the experiments that are made here;
    None where the store, a server, knows better.
    """

    def __init__(self, tracking_uri: str, artifacts: Path | None = None) -> None:
        self._artifacts = artifacts
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        from mlflow import MlflowClient

        # Only now: the import sets levels of its own.
        logging.getLogger("alembic").setLevel(logging.WARNING)  # one line a migration otherwise
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self._client = MlflowClient(tracking_uri, registry_uri=tracking_uri)

    def champion(self, group: str) -> Version | None:
        return self.by_alias(group, CHAMPION)

    def by_alias(self, group: str, alias: str) -> Version | None:
        """The version that has an alias, if any; FaceFlowError if the store does not answer."""
        from mlflow.exceptions import MlflowException

        try:
            return _version(self._client.get_model_version_by_alias(group, alias))
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return None
            raise FaceFlowError(f"the registry does not tell of {group}: {error}") from error

    def get(self, group: str, version: int) -> Version:
        """One version; FaceFlowError if there is none of that number."""
        from mlflow.exceptions import MlflowException

        try:
            return _version(self._client.get_model_version(group, str(version)))
        except MlflowException as error:
            if error.error_code in _ABSENT:
                raise FaceFlowError(f"{group} has no version {version}") from error
            raise FaceFlowError(f"the registry does not tell of {group}: {error}") from error

    def register(
        self,
        group: str,
        archive: Path,
        *,
        key: str,
        model_data_url: str,
        status: str,
        properties: Mapping[str, str],
        evaluation: Mapping[str, Any],
        card: str,
        experiment: str,
    ) -> Version:
        """Register a ``model.tar.gz`` as the challenger; once for each ``key``.

        properties: customer metadata, ``contract_id`` among them. evaluation: the report whose
        numbers become metrics.
        """
        from mlflow.exceptions import MlflowException

        from faceflow_ml.tracking.flavour import WEIGHTS, save_weights

        try:
            self._client.create_registered_model(group)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise FaceFlowError(f"the registry takes no {group}: {error}") from error
        known = self._client.search_model_versions(
            f"name = '{group}' and tags.`{_TAG}key` = '{key}'"
        )
        if known:
            return self._challenger(known[0])
        run = self._client.create_run(self.experiment(experiment), run_name=f"{group} {key}")
        run_id = run.info.run_id
        with tempfile.TemporaryDirectory(prefix="faceflow-") as work:
            folder, files = Path(work) / WEIGHTS, Path(work) / "files"
            unpack_archive(archive, folder)
            files.mkdir()
            save_weights(files / _MODEL, folder)
            (files / "evaluation.json").write_text(json.dumps(evaluation), encoding="utf-8")
            (files / "model_card.json").write_text(card, encoding="utf-8")
            self._client.log_artifacts(run_id, str(files))
        for name, value in _numbers(evaluation.get("metrics") or {}):
            self._client.log_metric(run_id, name, value)
        self._client.set_terminated(run_id)
        tags = {
            **{f"{_TAG}{name}": value for name, value in properties.items()},
            f"{_TAG}key": key,
            f"{_TAG}status": status,
            f"{_TAG}model_data_url": model_data_url,
        }
        made = self._client.create_model_version(
            group, f"{run.info.artifact_uri}/{_MODEL}", run_id, tags=tags
        )
        return self._challenger(made)

    def _challenger(self, made: Any) -> Version:
        # Of a version that is known too: a kill may have come between it and its alias.
        self._client.set_registered_model_alias(made.name, CHALLENGER, made.version)
        return self.get(made.name, int(made.version))

    def experiment(self, name: str) -> str:
        """Id of an experiment, which is made if there is none."""
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        location = None if self._artifacts is None else (self._artifacts / name).as_uri()
        try:
            return str(self._client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            # Another step, which runs at the same time, was faster.
            found = self._client.get_experiment_by_name(name)
            assert found is not None
            return str(found.experiment_id)

    def set_status(self, version: Version, status: str) -> None:
        """Approve or reject a version."""
        self._client.set_model_version_tag(
            version.group, str(version.version), f"{_TAG}status", status
        )

    def set_champion(self, version: Version, previous: int | None) -> None:
        """Give the aliases ``champion`` and ``previous`` to these versions."""
        group = version.group
        self._client.set_registered_model_alias(group, CHAMPION, str(version.version))
        if previous is not None:
            self._client.set_registered_model_alias(group, PREVIOUS, str(previous))
        elif self.by_alias(group, PREVIOUS) is not None:
            self._client.delete_registered_model_alias(group, PREVIOUS)
        challenger = self.by_alias(group, CHALLENGER)
        if challenger is not None and challenger.version == version.version:
            self._client.delete_registered_model_alias(group, CHALLENGER)

    def download(self, version: Version, folder: Path) -> Path:
        """Copy a version's files below ``folder``; returns where its weights are."""
        from mlflow.artifacts import download_artifacts

        source = self._client.get_model_version_download_uri(version.group, str(version.version))
        folder.mkdir(parents=True, exist_ok=True)
        found = download_artifacts(
            artifact_uri=source, dst_path=str(folder), tracking_uri=self._client.tracking_uri
        )
        # Older versions are the weights folder itself.
        return next(Path(found).rglob(MANIFEST_NAME), Path(found) / MANIFEST_NAME).parent


def _version(found: Any) -> Version:
    tags = dict(found.tags)
    return Version(
        found.name,
        int(found.version),
        tags.get(f"{_TAG}status", PENDING),
        tags.get(f"{_TAG}contract_id", ""),
        tags.get(f"{_TAG}model_data_url", ""),
    )


def _numbers(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in tree.items():
        if isinstance(value, Mapping):
            found += _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found.append((f"{prefix}{name}", float(value)))
    return found
