"""Labels of identity sets put right: people with a label in each of several sets, wrong faces.

Sets that share labels are one name space, in which labels are different people. A person may have
a label in each of several name spaces. The embedder to judge by may have been trained on the same
labels: it has learned to tell the two labels of a person apart, but not from anyone else, so that
they remain each other's nearest by far.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceflow_ml.data.fingerprint import image_digest
from faceflow_ml.data.records import IdentitySample
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import atomic_write_text

_HEADER = ("sha256", "identity")


@dataclass(frozen=True)
class Merge:
    """One person under two labels.

    ``into`` is the label that the person has in the end. The cosines are those of the centre of
    ``identity`` to its nearest label, which may itself be merged into ``into``, and the next.
    """

    identity: str
    into: str
    cosine: float
    next_cosine: float


@dataclass(frozen=True, eq=False)
class CleanLabels:
    """What `clean_labels` proposes.

    ``identities`` has the label of every face, None for a face to leave out; ``dropped`` counts
    those.
    """

    identities: tuple[str | None, ...]
    merges: tuple[Merge, ...]
    dropped: int


def clean_labels(
    vectors: NDArray[np.float32],
    identities: Sequence[str],
    sources: Sequence[str],
    *,
    merge_cosine: float = 0.6,
    merge_gap: float = 0.1,
    keep_cosine: float = 0.35,
) -> CleanLabels:
    """Merge labels that are one person, and leave out faces unlike their label.

    Two labels of different name spaces are merged if each is the other's nearest there, their
    centres have a cosine of at least ``merge_cosine``, and the next nearest label is ``merge_gap``
    further off. A person may so be found under a label in each of several name spaces; what would
    put two labels of one name space together is not merged, the least alike first. A face is left
    out if its cosine to the centre of its label is below ``keep_cosine``.

    Args:
        vectors: ``(n, d)`` L2-normalised embeddings.
        identities: n labels.
        sources: n names of sets.

    Raises:
        ValueError: lengths differ, or there are no faces.
    """
    if not len(vectors) == len(identities) == len(sources) > 0:
        raise ValueError(
            f"{len(vectors)} vectors, {len(identities)} labels and {len(sources)} sources: "
            "expected as many of each, and one at least"
        )
    names, labels = np.unique(np.asarray(identities), return_inverse=True)
    centres = _centres(vectors, labels)
    merges = _merges(centres, names, _name_spaces(labels, sources), merge_cosine, merge_gap)
    renamed = {merge.identity: merge.into for merge in merges}
    unlike = np.einsum("nd,nd->n", vectors, centres[labels]) < keep_cosine
    result = tuple(
        None if drop else renamed.get(name, name)
        for name, drop in zip(identities, unlike.tolist(), strict=True)
    )
    return CleanLabels(result, merges, int(unlike.sum()))


def identity_centres(
    vectors: NDArray[np.float32], identities: Sequence[str]
) -> NDArray[np.float32]:
    """The mean direction of every identity: ``(n, d)`` L2-normalised to ``(identities, d)`` alike.

    In the order of the sorted identities.
    """
    return _centres(vectors, np.unique(np.asarray(identities), return_inverse=True)[1])


def _centres(vectors: NDArray[np.float32], labels: NDArray[np.intp]) -> NDArray[np.float32]:
    centres = np.zeros((int(labels.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(centres, labels, vectors)
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    return centres


def _name_spaces(labels: NDArray[np.intp], sources: Sequence[str]) -> NDArray[np.intp]:
    """The name space of every label: sets that share a label belong to one."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    _, sets = np.unique(np.asarray(sources), return_inverse=True)
    count = int(labels.max()) + 1
    size = count + int(sets.max()) + 1
    graph = coo_matrix((np.ones(len(labels)), (labels, count + sets)), shape=(size, size))
    components: NDArray[np.intp] = connected_components(graph, directed=False)[1]
    return components[:count]


def _merges(
    centres: NDArray[np.float32],
    names: NDArray[np.str_],
    spaces: NDArray[np.intp],
    least: float,
    gap: float,
) -> tuple[Merge, ...]:
    order = np.argsort(-np.bincount(spaces), kind="stable")  # labels of smaller ones are renamed
    found: list[tuple[float, float, int, int]] = []
    taken: set[int] = set()
    for position, space in enumerate(order):
        small = np.flatnonzero(spaces == space)
        for other in order[:position]:
            large = np.flatnonzero(spaces == other)
            if len(large) < 2:
                continue
            cosines = centres[small] @ centres[large].T
            nearest_two = np.argpartition(-cosines, 1, axis=1)[:, :2]
            back = cosines.argmax(axis=0)
            for row, (first, second) in enumerate(nearest_two.tolist()):
                best, runner_up = float(cosines[row, first]), float(cosines[row, second])
                if best < runner_up:
                    first, best, runner_up = second, runner_up, best
                mutual = back[first] == row
                if mutual and best >= least and best - runner_up >= gap and small[row] not in taken:
                    taken.add(int(small[row]))
                    found.append((best, runner_up, int(small[row]), int(large[first])))
    into: dict[int, int] = {}

    def end(label: int) -> int:
        while label in into:
            label = into[label]
        return label

    found.sort(key=lambda merge: -merge[0])
    joined = {label: {int(space)} for label, space in enumerate(spaces)}
    for _, _, label, other in found:
        if joined[label].isdisjoint(joined[end(other)]):
            joined[end(other)] |= joined[label]
            into[label] = other
    return tuple(
        Merge(str(names[label]), str(names[end(label)]), best, runner_up)
        for best, runner_up, label, _ in found
        if label in into
    )


def write_labels(
    file: Path, samples: Sequence[IdentitySample], identities: Sequence[str | None]
) -> None:
    """Write labels as CSV, a row for every image: its SHA-256, and its identity or nothing."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_HEADER)
    for sample, identity in zip(samples, identities, strict=True):
        rows.writerow((image_digest(sample)[1], identity or ""))
    atomic_write_text(file, text.getvalue())


def apply_labels(samples: Sequence[IdentitySample], file: Path) -> list[IdentitySample]:
    """Samples with the labels of ``file``, as `write_labels` writes it, without those left out.

    Images that the file does not name keep their label.

    Raises:
        FaceFlowError: the file cannot be read or is something else, or names none of the images.
    """
    labels = _read_labels(file)
    result = []
    named = 0
    for sample in samples:
        digest = image_digest(sample)[1]
        named += digest in labels
        identity = labels.get(digest, sample.identity)
        if identity:
            result.append(replace(sample, identity=identity))
    if not named:
        raise FaceFlowError(f"{file}: names none of the {len(samples)} faces: made of other data?")
    return result


def _read_labels(file: Path) -> Mapping[str, str]:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream)
            header = next(rows, [])
            if tuple(header) != _HEADER:
                raise FaceFlowError(
                    f"{file}: expected the columns {', '.join(_HEADER)}, got {', '.join(header)}"
                )
            return dict(rows)
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:
        raise FaceFlowError(f"{file}: no readable labels: {error}") from error
