"""Reads what waits: bytes checked, hashed, measured; thumbnails made."""

from __future__ import annotations

from typing import Any

from api.lambdas.stage import Stage, stage
from api.lambdas.telemetry import count
from api.workflow import stages


def _extract(at: Stage) -> dict[str, Any]:
    at.workflow.look_for_work(at.context, at.given.batch)
    photos, more = stages.extract(at.context)
    count("PhotosExtracted", photos)
    return {"photos": photos, "more": more}


handler = stage(_extract)
