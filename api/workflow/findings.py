"""What a Processing job found in photos; see `docs/serving.md` for its files."""

from __future__ import annotations

import json

import numpy as np

from api.domain.models import Photo
from api.engine.engine import FoundFaces, aligned
from api.objects.store import ObjectMissing
from api.services import Services
from faceflow_ml.album.records import ID_LENGTH
from faceflow_ml.inference.images import Photo as Decoded
from faceflow_ml.inference.types import Detections


class Findings:
    """The records under a prefix."""

    def __init__(self, services: Services, prefix: str) -> None:
        self._services = services
        self._prefix = prefix

    def of(self, photo: Photo, decoded: Decoded) -> FoundFaces | None:
        """The faces of a photo, in the pixels that were decoded; None if no job has looked at it.

        Faces are aligned and judged here, as those of the engines are, so that the same photo
        gives the same faces.
        """
        if photo.sha256 is None:
            return None
        key = f"{self._prefix}photos/{photo.sha256[:ID_LENGTH]}.json"
        try:
            record = json.loads(self._services.objects.get(key))
        except ObjectMissing:
            return None
        if record["sha256"] != photo.sha256:
            return None
        # Of the photo's full size, whatever size the job has looked at.
        scale = decoded.pixels.shape[1] / decoded.width
        faces = record["faces"]
        found = Detections(
            boxes=np.array([face["box"] for face in faces], np.float32).reshape(-1, 4) * scale,
            scores=np.array([face["score"] for face in faces], np.float32),
            landmarks=np.array([face["landmarks"] for face in faces], np.float32).reshape(-1, 5, 2)
            * scale,
        )
        return aligned(decoded.pixels, found)
