"""The steps of ingestion that a photo goes through by itself, in their order."""

from __future__ import annotations

from enum import StrEnum

from api.domain.models import Photo


class Step(StrEnum):
    """The last step of a photo that is complete."""

    HASHED = "hashed"
    PREPARED = "prepared"
    DETECTED = "detected"
    EMBEDDED = "embedded"


def reached(photo: Photo, step: Step) -> bool:
    """Is the photo as far as this step, or further?"""
    order = list(Step)
    return photo.step is not None and order.index(Step(photo.step)) >= order.index(step)
