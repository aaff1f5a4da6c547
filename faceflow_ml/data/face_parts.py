"""Faces put together from parts of two people: what makes a third person of them.

An embedder lacks people rather than photos. Where the same part of one person (nose and mouth, the
lower half, all but the hair) replaces that of another in every photo, the photos show somebody who
is neither: Hu et al., "Frankenstein: Learning Deep Face Representations Using Small Data", 2018.
Each photo gets the part from that photo of the other person which is posed and lit most alike, in
its own colours: without that the embedder finds two photos of such a person little alike.
"""

from __future__ import annotations

from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.drawn_faces import DrawnFaces
from faceflow_ml.data.identities import FACE_SIZE, AlignedFaces
from faceflow_ml.data.progress import counted

Floats = NDArray[np.float32]

PARTS = ("nose-mouth", "lower", "inner")

_LEAST_PHOTOS = 3  # of a person who is put together with others
_TRIED = 12  # others of whom the most alike gives a part
_USED = 0.15  # a photo loses this much of its likeness each time it was used: all are to be
_BLOCK = 8  # pixels of a cell by which photos are compared
_CELLS = FACE_SIZE // _BLOCK
_FACE_ROWS, _FACE_COLUMNS = slice(3, 14), slice(3, 11)  # cells of the face
_GAIN = (0.6, 1.6)  # limits of how much contrast is changed


@lru_cache(maxsize=1)
def part_masks() -> Floats:
    """How much of each pixel each of `PARTS` covers, ``(parts, 112, 112)`` in [0, 1]."""
    y, x = np.mgrid[:FACE_SIZE, :FACE_SIZE].astype(np.float32)

    def soft(inside: Floats) -> Floats:
        return np.asarray(1 / (1 + np.exp(-inside)), np.float32)

    def ellipse(middle: float, width: float, height: float) -> Floats:
        away = np.hypot((x - FACE_SIZE / 2) / width, (y - middle) / height)
        return soft(6 * (1 - away))

    lower = soft((y - 66) / 4)
    return np.stack([ellipse(84, 26, 26), lower, ellipse(70, 32, 42)])


class CombinedFaces(DrawnFaces):
    """Faces and, as those of other people, all of them again with a part of somebody else's.

    A person put together from two is named after them, ``NAME+OTHER/PART~NUMBER``. Who has fewer
    than three photos is in no combination.

    Args:
        faces: of whom, of 112 pixels.
        combinations: how many others of each person there are, at least 1.
    """

    def __init__(self, faces: AlignedFaces, combinations: int) -> None:
        self._looks = _Looks(faces)
        order = np.argsort(faces.labels, kind="stable")
        ends = np.cumsum(np.bincount(faces.labels, minlength=len(faces.names)))[:-1]
        photos = np.split(order, ends)
        people = [p for p, own in enumerate(photos) if len(own) >= _LEAST_PHOTOS]
        names, labels = list(faces.names), [faces.labels]
        rows = [np.empty((0, 4), np.int64)]
        for number in range(combinations if len(people) > 1 else 0):
            for person in people:
                name = faces.names[person]
                rng = np.random.default_rng(crc32(f"{name}+{number}".encode()))
                other, alike = self._partner(photos, person, people, rng)
                part = int(rng.integers(len(PARTS)))
                mirrored, place = np.divmod(_spread(alike), len(photos[other]))
                own, theirs = photos[person], photos[other][place]
                rows.append(np.stack([own, theirs, mirrored, np.full(len(own), part)], axis=1))
                labels.append(np.full(len(own), len(names)))
                names.append(f"{name}+{faces.names[other]}/{PARTS[part]}~{number}")
        self._rows = np.concatenate(rows)
        super().__init__(faces, np.concatenate(labels), names, f"{combinations}combinations")

    def _partner(
        self,
        photos: list[NDArray[np.int64]],
        person: int,
        people: list[int],
        rng: np.random.Generator,
    ) -> tuple[int, Floats]:
        """Who of some looks most like a person, and how alike their photos are (`_Looks.alike`)."""
        tried = [p for p in rng.choice(people, _TRIED).tolist() if p != person]
        tried = tried or [p for p in people if p != person][:1]
        alike = [self._looks.alike(photos[person], photos[p]) for p in tried]
        best = int(np.argmax([some.max(axis=1).mean() for some in alike]))
        return tried[best], alike[best]

    def _draw(self, position: int) -> NDArray[np.uint8]:
        own, other, mirrored, part = self._rows[position - len(self.faces)].tolist()
        face, theirs = (np.asarray(self.faces.images[p], np.float32) for p in (own, other))
        if mirrored:
            theirs = theirs[:, ::-1]
        (own_mean, own_deviation), (mean, deviation) = self._looks.colours[[own, other]]
        theirs = (theirs - mean) * np.clip(own_deviation / deviation, *_GAIN) + own_mean
        mask = part_masks()[part][..., None]
        return np.asarray((face + (theirs - face) * mask + 0.5).clip(0, 255), np.uint8)


class _Looks:
    """How faces are posed, lit and coloured.

    Attributes:
        colours: ``(n, 2, 3)`` mean and standard deviation of each channel within the face.
    """

    def __init__(self, faces: AlignedFaces) -> None:
        count = len(faces)
        self.colours = np.empty((count, 2, 3), np.float32)
        self._plain = np.empty((count, 11 * 8), np.float32)
        self._mirrored = np.empty_like(self._plain)
        starts = range(0, count, 256)
        for start in counted(starts, "Comparing faces, batches", len(starts)):
            rows = slice(start, min(start + 256, count))
            images = np.asarray(faces.images[np.arange(rows.start, rows.stop)])
            cells = images.reshape(-1, _CELLS, _BLOCK, _CELLS, _BLOCK, 3).mean(
                axis=(2, 4), dtype=np.float32
            )
            cells = cells[:, _FACE_ROWS, _FACE_COLUMNS]
            self.colours[rows, 0] = cells.mean(axis=(1, 2))
            self.colours[rows, 1] = cells.std(axis=(1, 2)) + 1
            grey = cells.mean(axis=3)
            grey -= grey.mean(axis=(1, 2), keepdims=True)
            grey /= np.linalg.norm(grey, axis=(1, 2), keepdims=True) + 1e-6
            self._plain[rows] = grey.reshape(len(grey), -1)
            self._mirrored[rows] = grey[:, :, ::-1].reshape(len(grey), -1)

    def alike(self, photos: NDArray[np.int64], others: NDArray[np.int64]) -> Floats:
        """Correlations of photos ``(n,)`` with others ``(m,)`` and those mirrored, ``(n, 2 m)``."""
        theirs = np.concatenate([self._plain[others], self._mirrored[others]])
        return np.asarray(self._plain[photos] @ theirs.T)


def _spread(alike: Floats) -> NDArray[np.int64]:
    """For each photo ``(n, m)`` one of the most alike, none too often."""
    left = alike.copy()
    chosen = np.empty(len(left), np.int64)
    half = left.shape[1] // 2
    for photo in range(len(left)):
        best = chosen[photo] = left[photo].argmax()
        left[:, best % half] -= _USED
        left[:, best % half + half] -= _USED
    return chosen
