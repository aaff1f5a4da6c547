"""Faces to train on that are drawn from others when asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.identities import AlignedFaces


class DrawnFaces(ABC):
    """Faces and, as those of other people, what is drawn from them; `AlignedFaces` as they are.

    Attributes:
        faces: what is drawn from; their positions come first.
        labels: ``(n,)`` int64, positions in ``names``; who is drawn comes after all others.
        names: of everybody.
        fingerprint: of the faces and of how they are drawn.
    """

    def __init__(
        self, faces: AlignedFaces, labels: NDArray[np.int64], names: list[str], manner: str
    ) -> None:
        self.faces = faces
        self.labels = labels
        self.names = names
        self.fingerprint = f"{faces.fingerprint}-{manner}"

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def images(self) -> Self:
        """Faces by position, drawn anew each time."""
        return self

    def __getitem__(self, position: Any) -> NDArray[np.uint8]:
        if np.ndim(position):
            return np.stack([self[one] for one in position])
        position = range(len(self))[position]  # from the end, if it is negative
        if position < len(self.faces):
            return np.asarray(self.faces.images[position], np.uint8)
        return self._draw(position)

    @abstractmethod
    def _draw(self, position: int) -> NDArray[np.uint8]:
        """The face at a position behind those of ``faces``, ``(s, s, 3)``."""
