"""What de-duplication knows of a photo, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.dedup.hashing import THUMB_SIZE, grey_thumb, phash_of_thumb


@dataclass(frozen=True)
class DedupItem:
    """One photo. Raises ValueError when the thumb is not (128, 128) uint8."""

    path: str
    sha256: str
    """Hex digest of the file's bytes."""
    phash: np.uint64
    """See `hashing.phash64`."""
    thumb: NDArray[np.uint8] = field(repr=False, compare=False)
    """(128, 128) uint8 grey, see `hashing.grey_thumb`."""
    width: int
    height: int
    size_bytes: int
    faces: int = 0

    def __post_init__(self) -> None:
        if self.thumb.shape != (THUMB_SIZE, THUMB_SIZE) or self.thumb.dtype != np.uint8:
            raise ValueError(
                f"thumb must be ({THUMB_SIZE}, {THUMB_SIZE}) uint8,"
                f" got {self.thumb.shape} {self.thumb.dtype}"
            )

    @classmethod
    def of_image(
        cls,
        path: str,
        image: NDArray[np.uint8],
        *,
        sha256: str,
        size_bytes: int,
        faces: int = 0,
        size: tuple[int, int] | None = None,
    ) -> DedupItem:
        """Describe a decoded photo, (H, W, 3) uint8 RGB.

        size: (width, height) of the original when ``image`` was reduced on reading.
        """
        width, height = size or (image.shape[1], image.shape[0])
        thumb = grey_thumb(image)
        return cls(
            path=path,
            sha256=sha256,
            phash=phash_of_thumb(thumb),
            thumb=thumb,
            width=width,
            height=height,
            size_bytes=size_bytes,
            faces=faces,
        )


@dataclass(frozen=True)
class DuplicateGroup:
    """One photo to keep and those that show the same, as in ``groups.json``."""

    keep: str
    drop: tuple[str, ...]
    kind: Literal["exact", "near"]
