"""A registry, made-up models and servers that deployments of the tests are made with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from faceflow_ml.inference.pretrained import Manifest, ModelEntry
from pipelines.archives import pack
from pipelines.config import load_pipeline_config
from pipelines.deployment.local import LocalDeployer
from pipelines.deployment.servers import Server
from pipelines.mlflow_registry import MlflowRegistry
from pipelines.registry import PENDING, Version

CONFIG = Path(__file__).parents[2] / "configs/pipeline/debug.yaml"
SERVER = Path(__file__).with_name("fake_server.py")
GROUP = "faceflow-embedder"


class Place:
    """A registry, a deployer, and models that are made up."""

    def __init__(self, root: Path, *words: str) -> None:
        self.root = root
        self.words = [
            f"local.root={root}",
            f"deploy.servers.embedder.command={json.dumps([sys.executable, str(SERVER)])}",
            "deploy.servers.embedder.shadow_images=4",
            *words,
        ]
        self.config = config = load_pipeline_config(CONFIG, self.words)
        self.registry = MlflowRegistry(config.tracking_uri(), config.artifacts())
        self.said: list[str] = []
        self.deployer = LocalDeployer(config, notice=self.said.append)

    def register(self, contract_id: str, model: dict[str, Any] | None = None) -> Version:
        """A version for the fake server, which answers as ``model`` says."""
        folder = self.root / "made"
        folder.mkdir(exist_ok=True)
        document = {"contract_id": contract_id, **(model or {})}
        (folder / "fake.json").write_text(json.dumps(document))
        (folder / "model.onnx").write_text(contract_id)
        entry = ModelEntry(
            file="model.onnx",
            sha256="0" * 64,
            architecture="fake",
            contract_id=contract_id,
            preprocessing={},
        )
        manifest = Manifest(
            version=1, models={"embedder": {"fake": entry}}, default={"embedder": "fake"}
        )
        (folder / "manifest.json").write_text(manifest.model_dump_json())
        pack(folder, self.root / "made.tar.gz")
        return self.register_archive(contract_id, self.root / "made.tar.gz")

    def register_archive(self, contract_id: str, archive: Path) -> Version:
        """A version of a ``model.tar.gz``."""
        return self.registry.register(
            GROUP,
            archive,
            key=contract_id,
            model_data_url=f"s3://bucket/{contract_id}/model.tar.gz",
            status=PENDING,
            properties={"contract_id": contract_id},
            evaluation={"metrics": {"roc_auc": 0.9, "tar": {"value": 0.5}}},
            card="{}",
            experiment="tests",
        )

    def champion(self) -> str:
        found = self.registry.champion(GROUP)
        assert found is not None
        return found.contract_id


def answers(url: str) -> str:
    server = Server(0, 0, int(url.rpartition(":")[2]))
    return str(server.invoke(b"image", "image/jpeg")["contract_id"])
