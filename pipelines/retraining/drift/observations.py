"""What is compared: vectors of faces and numbers that follow from them."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.identity_sources import read_identities
from faceflow_ml.data.records import IdentitySample
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.inference.embedder import FaceEmbedder
from pipelines.retraining.exchange import read_corrections
from pipelines.retraining.sources import is_export

LEAST = 30
"""Faces below which nothing is compared."""
_LEAST_VALUES = 10  # of one distribution; half a baseline may know few of some
_BATCH = 64
_PAIRS = 4000


class TooFewError(FaceFlowError):
    """There are too few faces or people to tell drift from chance."""


@dataclass(frozen=True, eq=False)
class Observations:
    """n faces.

    Attributes:
        contract: of the embedder; only observations of one contract compare.
        vectors: (n, 512) float32, L2-normalised.
        norms: (n,) lengths before normalisation.
        scores: (n,) of the detector in [0, 1]; NaN where unknown.
        eye_px: (n,) distance of the eyes in the photo, pixels; NaN where unknown.
        blocks: (n,) numbers from 0: faces of one person come together, or not at all.
    """

    contract: str
    vectors: NDArray[np.float32]
    norms: NDArray[np.float32]
    scores: NDArray[np.float32]
    eye_px: NDArray[np.float32]
    blocks: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: NDArray[np.intp]) -> Observations:
        """The faces at ``rows``."""
        return Observations(
            self.contract,
            self.vectors[rows],
            self.norms[rows],
            self.scores[rows],
            self.eye_px[rows],
            self.blocks[rows],
        )

    def to_bytes(self) -> bytes:
        """As an ``.npz``; vectors in half precision."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            contract=np.array(self.contract),
            vectors=self.vectors.astype(np.float16),
            norms=self.norms,
            scores=self.scores,
            eye_px=self.eye_px,
            blocks=self.blocks,
        )
        return buffer.getvalue()

    @classmethod
    def from_file(cls, file: Path) -> Observations:
        """From an ``.npz``; FaceFlowError if it is none."""
        try:
            with np.load(file, allow_pickle=False) as kept:
                vectors = kept["vectors"].astype(np.float32)
                lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
                return cls(
                    str(kept["contract"]),
                    vectors / np.maximum(lengths, 1e-6),
                    kept["norms"],
                    kept["scores"],
                    kept["eye_px"],
                    kept["blocks"],
                )
        except (OSError, ValueError, KeyError) as error:
            raise FaceFlowError(f"{file}: no observations: {error}") from error


def observe(
    source: Path,
    embedder: FaceEmbedder,
    *,
    limit: int = 4000,
    seed: int = 0,
    leave_out: Collection[str] = (),
) -> Observations:
    """Embed the faces of an export of corrections, of identity shards or of folders of people.

    Args:
        limit: take at most so many faces, of people drawn by ``seed``.
        leave_out: pseudonyms of users of an export to pass over.

    Raises:
        TooFewError: there are too few faces.
        FaceFlowError: they are unreadable.
    """
    samples, owners = _read(source, leave_out)
    _, blocks = np.unique(np.array(owners), return_inverse=True)
    rows = _some_blocks(blocks.astype(np.int64), limit, seed)
    if len(rows) < LEAST:
        raise TooFewError(f"{source}: {len(rows)} faces are too few to compare; {LEAST} are needed")
    vectors, norms = [], []
    for start in range(0, len(rows), _BATCH):
        crops = np.stack([samples[row].decode() for row in rows[start : start + _BATCH]])
        part = embedder.embed_with_norms(crops)
        vectors.append(part[0])
        norms.append(part[1])
    # 0 in shards stands for a face that no detector found.
    scores = np.array([samples[row].det_score or np.nan for row in rows], np.float32)
    eye_px = np.array([samples[row].eye_px for row in rows], np.float32)
    return Observations(
        embedder.contract_id,
        np.concatenate(vectors),
        np.concatenate(norms),
        scores,
        eye_px,
        np.unique(blocks[rows], return_inverse=True)[1].astype(np.int64),
    )


def _read(source: Path, leave_out: Collection[str]) -> tuple[Sequence[IdentitySample], list[str]]:
    if is_export(source):
        corrections = read_corrections(source, leave_out)
        samples = [
            IdentitySample(
                image=corrections.picture(row),
                identity=face.user,
                source="corrections",
                name=face.face,
                det_score=face.score,
                eye_px=face.eye_px,
            )
            for row, face in enumerate(corrections.faces)
        ]
        # Of a face that is nobody's, the photo is what it comes together with.
        return samples, [f"{face.album}/{face.person or face.photo}" for face in corrections.faces]
    samples = read_identities(source, "train")
    return samples, [sample.identity for sample in samples]


def _some_blocks(blocks: NDArray[np.int64], limit: int, seed: int) -> NDArray[np.intp]:
    if len(blocks) <= limit:
        return np.arange(len(blocks))
    order = np.random.default_rng(seed).permutation(int(blocks.max()) + 1)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    by_block = np.argsort(rank[blocks], kind="stable")
    return np.sort(by_block[:limit])


@dataclass(frozen=True, eq=False)
class Features:
    """The distributions that are compared, each ``(k,)``; k differs, NaN is left out.

    center: (512,) the mean direction that cosines to the centroid refer to.
    """

    center: NDArray[np.float32]
    values: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def features(
    seen: Observations, center: NDArray[np.float32] | None = None, *, seed: int = 0
) -> Features:
    """Distributions of some faces.

    ``norm``, ``detector_score``, ``eye_px``: as they are. ``centroid_cosine``: of each face with
    the mean direction. ``same_cosine``, ``other_cosine``: of pairs of one person, and of two.

    Args:
        center: of the baseline; None for the mean of these.
        seed: of the pairs that are drawn.
    """
    if center is None:
        mean = seen.vectors.mean(axis=0)
        center = np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-6), np.float32)
    rng = np.random.default_rng(seed)
    n = len(seen)
    i, j = rng.integers(n, size=_PAIRS), rng.integers(n, size=_PAIRS)
    other = seen.blocks[i] != seen.blocks[j]
    same = _pairs_within(seen.blocks, rng)
    values = {
        "norm": seen.norms,
        "detector_score": seen.scores,
        "eye_px": seen.eye_px,
        "centroid_cosine": seen.vectors @ center,
        "other_cosine": np.einsum("nd,nd->n", seen.vectors[i[other]], seen.vectors[j[other]]),
        "same_cosine": np.einsum("nd,nd->n", seen.vectors[same[0]], seen.vectors[same[1]]),
    }
    finite = {name: v[np.isfinite(v)].astype(np.float64) for name, v in values.items()}
    return Features(center, {name: v for name, v in finite.items() if len(v) >= _LEAST_VALUES})


def _pairs_within(
    blocks: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Each face with the next of its person, in an order by chance."""
    order = rng.permutation(len(blocks))
    order = order[np.argsort(blocks[order], kind="stable")]
    together = blocks[order[1:]] == blocks[order[:-1]]
    return order[:-1][together], order[1:][together]
