"""What the small models have in common that look again at one face: views in, a few numbers out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from faceflow_ml.errors import WeightsError
from faceflow_ml.inference import pretrained
from faceflow_ml.inference.pretrained import Kind, Weights
from faceflow_ml.inference.session import Device, open_session
from faceflow_ml.inference.types import ImageArray

_BATCH = 64


class ViewModel:
    """Loads an ONNX model that takes ``images`` uint8 (n, 64, 64, 3) RGB and has one output (n, k).

    weights: verified weights. threads: threads for one inference, None for all cores. device:
    "cpu", "cuda" or "auto".
    Raises WeightsError if the model is of another kind.
    """

    kind: ClassVar[Kind]
    preprocessing: ClassVar[type[BaseModel]]
    output: ClassVar[str]
    columns: ClassVar[int]

    def __init__(
        self, weights: Weights, *, threads: int | None = None, device: Device = "cpu"
    ) -> None:
        pretrained.parse_preprocessing(self.preprocessing, weights)
        self._weights = weights
        self._session = open_session(
            weights.model, {self.output: 2}, threads=threads, device=device
        )

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str] | None = None,
        *,
        threads: int | None = None,
        device: Device = "cpu",
    ) -> Self:
        """The shipped model of this kind, or ``name``: one of the manifest, or a path."""
        return cls(pretrained.resolve(cls.kind, name), threads=threads, device=device)

    @property
    def contract_id(self) -> str:
        """Hash of weights and preprocessing."""
        return self._weights.contract_id

    def _run(self, views: Sequence[ImageArray]) -> npt.NDArray[np.float64]:
        """The output (n, k) for n >= 0 views, in batches."""
        results = [np.zeros((0, self.columns))]
        for start in range(0, len(views), _BATCH):
            (found,) = self._session.run(np.stack(views[start : start + _BATCH]))
            if found.shape[1] != self.columns:
                raise WeightsError(
                    f"{self._weights.name}: expected {self.output} (n, {self.columns}), "
                    f"got {found.shape}"
                )
            results.append(found.astype(np.float64))
        return np.concatenate(results)
