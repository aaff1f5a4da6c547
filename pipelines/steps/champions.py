"""Which models are the champions now: the newest approved ones of their groups."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from faceflow_ml.cli._common import say
from faceflow_ml.files import atomic_write_text
from faceflow_ml.inference.pretrained import Kind
from pipelines.registry import open_registry


def find_champions(groups: Mapping[Kind, str], none: str, out: Path, none_out: Path) -> None:
    """Write ``out/champions.json``: for each kind ``model_data_url``, ``version``, ``contract_id``.

    A kind without a champion has ``none`` as its URL, where ``none_out`` is uploaded to: a job's
    input must exist.
    """
    registry = open_registry()
    found = {}
    for kind, group in groups.items():
        champion = registry.champion(group)
        found[kind] = {
            "model_data_url": champion.model_data_url if champion else none,
            "version": champion.version if champion else 0,
            "contract_id": champion.contract_id if champion else "",
        }
        name = f"version {champion.version} of {group}" if champion else "nobody yet"
        say(f"Champion {kind}: {name}")
    atomic_write_text(out / "champions.json", json.dumps(found, indent=2) + "\n")
    atomic_write_text(none_out / "NO_CHAMPION", "There was no approved model yet.\n")
