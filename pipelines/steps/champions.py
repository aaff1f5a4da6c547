"""The champions: the newest approved models of their groups; before the first, the shipped ones."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from faceflow_ml.cli._common import say
from faceflow_ml.files import atomic_write_text
from faceflow_ml.inference.pretrained import Kind, resolve
from pipelines.archives import MODEL_ARCHIVE, pack
from pipelines.deployment.weights import merge_weights
from pipelines.registry import open_registry


def find_champions(groups: Mapping[Kind, str], shipped: str, out: Path, shipped_out: Path) -> None:
    """Write ``out/champions.json``: for each kind ``model_data_url``, ``version``, ``contract_id``.

    Where no version is approved yet, the models that the image ships with serve: they are the
    champions, as version 0, at the URL ``shipped``, where ``shipped_out`` is uploaded to.
    """
    registry = open_registry()
    found = {}
    for kind, group in groups.items():
        champion = registry.champion(group)
        found[kind] = {
            "model_data_url": champion.model_data_url if champion else shipped,
            "version": champion.version if champion else 0,
            "contract_id": champion.contract_id if champion else resolve(kind).contract_id,
        }
        name = f"version {champion.version} of {group}" if champion else "the shipped one"
        say(f"Champion {kind}: {name}")
    atomic_write_text(out / "champions.json", json.dumps(found, indent=2) + "\n")
    with tempfile.TemporaryDirectory(prefix="faceflow-") as work:
        pack(merge_weights({}, Path(work)), shipped_out / MODEL_ARCHIVE)
