"""Vectors of the faces of a few photos; what a Processing job found is taken in."""

from __future__ import annotations

from typing import Any

from api.lambdas.stage import Stage, stage
from api.lambdas.telemetry import count
from api.workflow import stages


def _embed(at: Stage) -> dict[str, Any]:
    photos = stages.embed(at.context, at.given.batch, at.given.photo_ids)
    count("PhotosEmbedded", photos)
    return {"photos": photos}


handler = stage(_embed)
