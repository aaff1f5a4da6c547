"""Finds the faces of a few photos."""

from __future__ import annotations

from typing import Any

from api.lambdas.stage import Stage, stage
from api.lambdas.telemetry import count
from api.workflow import stages


def _detect(at: Stage) -> dict[str, Any]:
    photos = stages.detect(at.context, at.given.photo_ids)
    count("PhotosDetected", photos)
    return {"photos": photos}


handler = stage(_detect)
