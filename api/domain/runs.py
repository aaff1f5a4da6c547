"""What a clustering run moved, as the log keeps it: an object beside the entry.

An entry of the log says what was done, so that it is replayed and not computed again: a later
version of the clustering cannot change what people saw.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOBODY = -1
ID_TYPE = np.dtype("S26")

Ids = NDArray[np.bytes_]


@dataclass(frozen=True, eq=False)
class MachineRun:
    """New faces, and who moved where. Faces are numbered in the order in which the log brings them.

    Attributes:
        new_faces, new_photos: (k,) ids of faces that the log has not seen, and of their photos.
        new_quality: (k,) in [0, 1].
        new_rows: (k,) each one's row in its photo's vectors.
        names: (m,) ids of the clusters that ``before`` and ``after`` number.
        made: (m,) is it a cluster that this run made?
        faces: (e,) numbers of the faces that move, or whose confidence changes.
        before, after: (e,) where from and where to, NOBODY for no cluster.
        confidence: (e,) in [0, 1] that the face is the person it moved to.
    """

    new_faces: Ids
    new_photos: Ids
    new_quality: NDArray[np.float32]
    new_rows: NDArray[np.int32]
    names: Ids
    made: NDArray[np.bool_]
    faces: NDArray[np.int32]
    before: NDArray[np.int32]
    after: NDArray[np.int32]
    confidence: NDArray[np.float32]

    def __post_init__(self) -> None:
        k, e = len(self.new_faces), len(self.faces)
        if not len(self.new_photos) == len(self.new_quality) == len(self.new_rows) == k:
            raise ValueError("new faces need a photo, a quality and a row each")
        if len(self.names) != len(self.made):
            raise ValueError("each name is of a cluster that was there or was made")
        if not len(self.before) == len(self.after) == len(self.confidence) == e:
            raise ValueError("moves need where from, where to and a confidence each")

    def to_bytes(self) -> bytes:
        """As an object."""
        return pack({field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def from_bytes(cls, data: bytes) -> MachineRun:
        """From an object.

        Raises:
            ValueError: it is not one.
        """
        arrays = unpack(data)
        try:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})
        except KeyError as error:
            raise ValueError(f"the run has no {error.args[0]}") from error


def pack(arrays: dict[str, NDArray[Any]]) -> bytes:
    """Named arrays as one ``.npz``."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz``."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
