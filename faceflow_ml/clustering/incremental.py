"""Adding new faces to existing groups, without clustering again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceflow_ml.clustering.batch import SMALL_GROUP_MARGIN, checked_vectors, cluster_faces
from faceflow_ml.clustering.constraints import photo_codes
from faceflow_ml.clustering.stable_ids import format_id, next_free_number

_CANDIDATES = 16  # groups looked at per face; photo constraints seldom rule out more
_ROWS = 1024  # faces compared with all groups at a time


@dataclass(frozen=True)
class GroupState:
    """What assignment knows of the groups, as arrays that ``numpy.savez`` can store.

    The sum of the vectors and their number give the mean, and it stays exact as faces come.
    """

    ids: NDArray[np.str_]
    """(m,) group ids."""
    sums: NDArray[np.float32]
    """(m, d) sum of each group's L2-normalised vectors."""
    counts: NDArray[np.int64]
    """(m,) faces in each group."""
    next_number: int
    """The number of the next new id, see `stable_ids`."""

    def __post_init__(self) -> None:
        m = len(self.ids)
        if self.sums.ndim != 2 or len(self.sums) != m or self.counts.shape != (m,):
            raise ValueError(
                f"{m} ids need sums ({m}, d) and counts ({m},),"
                f" got {self.sums.shape} and {self.counts.shape}"
            )
        if len(set(self.ids.tolist())) != m or (self.counts < 1).any():
            raise ValueError("group ids must be unique and counts at least 1")

    @classmethod
    def of_faces(
        cls, vectors: ArrayLike, group_ids: Sequence[str | None], *, next_number: int = 1
    ) -> GroupState:
        """From (n, d) L2-normalised vectors and the group of each, None for none."""
        faces = checked_vectors(vectors)
        if len(group_ids) != len(faces):
            raise ValueError(f"expected a group for each of {len(faces)} faces")
        ids = sorted({group for group in group_ids if group is not None})
        row = {group: k for k, group in enumerate(ids)}
        member = np.array([group is not None for group in group_ids], dtype=bool)
        rows = np.array([row[group] for group in group_ids if group is not None], dtype=np.int64)
        sums = np.zeros((len(ids), faces.shape[1]), dtype=np.float32)
        np.add.at(sums, rows, faces[member])
        return cls(
            ids=np.array(ids, dtype=np.str_),
            sums=sums,
            counts=np.bincount(rows, minlength=len(ids)).astype(np.int64),
            next_number=max(next_number, next_free_number(ids)),
        )


class IncrementalAssigner:
    """Assigns new faces to the nearest group, or to new groups that they form.

    A face's similarity to a group is its mean cosine with the group's faces: the inner product
    with their mean. It has to reach the threshold of `cluster_faces`, with the same margin for
    small groups. The means are kept between calls, so that one more face costs one product with
    them and no copy of what is there.

    Args:
        state: the groups so far; `state` afterwards is the groups with the new faces.
        threshold: see `cluster_faces`.
    """

    def __init__(self, state: GroupState, threshold: float) -> None:
        if not -1.0 <= threshold <= 1.0:
            raise ValueError(f"threshold must be a cosine similarity in [-1, 1], got {threshold}")
        self._threshold = threshold
        self._ids = state.ids.tolist()
        self._counts = state.counts.astype(np.int64)
        self._next_number = state.next_number
        # Rows beyond the groups are room to grow.
        self._sums = state.sums.astype(np.float32)
        self._means = np.divide(state.sums, state.counts[:, None], dtype=np.float32)

    @property
    def state(self) -> GroupState:
        """The groups as they are now."""
        return GroupState(
            ids=np.array(self._ids, dtype=np.str_),
            sums=self._sums[: len(self._ids)].copy(),
            counts=self._counts[: len(self._ids)].copy(),
            next_number=self._next_number,
        )

    def assign(
        self,
        vectors: ArrayLike,
        photo_ids: Sequence[Any] | NDArray[Any] | None = None,
        excluded: Sequence[Collection[str]] | None = None,
        *,
        quality: ArrayLike | None = None,
    ) -> tuple[str | None, ...]:
        """Assign a batch of new faces and add them to the groups.

        The closest face and group come first, by the means before the batch, so that the result
        does not depend on the order of the faces. Faces that fit no group but each other found
        a new one; the rest stay unassigned.

        Args:
            vectors: (n, d) float, L2-normalised.
            photo_ids: n strings or n integers; two faces of one photo get different groups.
            excluded: for each face, group ids it must not get: those of faces of its photo that
                were assigned earlier, and those that a person said it is not.
            quality: (n,) in [0, 1], see `cluster_faces`: poor faces found no group.

        Returns:
            The group id of each face, None for unassigned.

        Raises:
            ValueError: wrong shapes, or vectors that are not finite and normalised.
        """
        faces = checked_vectors(vectors)
        n, known = len(faces), len(self._ids)
        if known and faces.shape[1] != self._sums.shape[1]:
            raise ValueError(
                f"vectors must have {self._sums.shape[1]} dimensions as the groups,"
                f" got {faces.shape[1]}"
            )
        if excluded is not None and len(excluded) != n:
            raise ValueError(f"excluded must hold a collection for each of {n} faces")
        if quality is not None and np.shape(quality) != (n,):
            raise ValueError(f"quality must have shape ({n},), got {np.shape(quality)}")
        photos = photo_codes(photo_ids, n)
        assigned = self._nearest(faces, photos, excluded)

        left = np.flatnonzero(assigned < 0)
        fresh = cluster_faces(
            faces[left],
            photos[left],
            quality=None if quality is None else np.asarray(quality)[left],
            threshold=self._threshold,
        )
        assigned[left] = np.where(fresh >= 0, known + fresh, -1)
        self._add(faces, assigned, new_groups=int(fresh.max(initial=-1)) + 1)
        ids = self._ids
        return tuple(ids[group] if group >= 0 else None for group in assigned.tolist())

    def _nearest(
        self,
        faces: NDArray[np.float32],
        photos: NDArray[np.int64],
        excluded: Sequence[Collection[str]] | None,
    ) -> NDArray[np.int64]:
        """(n,) row of the group of each face, -1 for none that is close and allowed."""
        assigned = np.full(len(faces), -1, dtype=np.int64)
        known = len(self._ids)
        if len(faces) == 0 or known == 0:
            return assigned
        similarity, group = self._closest(faces, known)
        counts = self._counts[:known]
        needed = self._threshold + SMALL_GROUP_MARGIN * (1 / counts[group] + 1) / 2
        face, nth = np.nonzero(similarity >= needed)
        best_first = np.argsort(-similarity[face, nth], kind="stable")
        taken: set[tuple[int, int]] = set()
        for i, g in zip(
            face[best_first].tolist(), group[face, nth][best_first].tolist(), strict=True
        ):
            seat = (int(photos[i]), g)
            barred = excluded is not None and self._ids[g] in excluded[i]
            if assigned[i] < 0 and seat not in taken and not barred:
                assigned[i] = g
                taken.add(seat)
        return assigned

    def _closest(
        self, faces: NDArray[np.float32], known: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(n, k) similarity and row of the groups closest to each face, by falling similarity."""
        k = min(_CANDIDATES, known)
        similarities, groups = [np.empty((0, k), np.float32)], [np.empty((0, k), np.int64)]
        for start in range(0, len(faces), _ROWS):
            block = faces[start : start + _ROWS] @ self._means[:known].T
            best = np.argpartition(-block, k - 1, axis=1)[:, :k]
            found = np.take_along_axis(block, best, axis=1)
            order = np.lexsort((best, -found), axis=1)
            similarities.append(np.take_along_axis(found, order, axis=1))
            groups.append(np.take_along_axis(best, order, axis=1))
        return np.concatenate(similarities), np.concatenate(groups)

    def _add(
        self, faces: NDArray[np.float32], assigned: NDArray[np.int64], new_groups: int
    ) -> None:
        m = len(self._ids) + new_groups
        if m > len(self._sums):
            room = max(m, len(self._sums) * 5 // 4)
            self._sums = _grown(self._sums, room, faces.shape[1])
            self._means = _grown(self._means, room, faces.shape[1])
            self._counts = np.append(
                self._counts, np.zeros(room - len(self._counts), dtype=np.int64)
            )
        member = assigned >= 0
        np.add.at(self._sums, assigned[member], faces[member])
        np.add.at(self._counts, assigned[member], 1)
        changed = np.unique(assigned[member])
        self._means[changed] = self._sums[changed] / self._counts[changed][:, None]
        self._ids += [format_id(self._next_number + k) for k in range(new_groups)]
        self._next_number += new_groups


def _grown(rows: NDArray[np.float32], count: int, dimensions: int) -> NDArray[np.float32]:
    """(count, dimensions): the rows, then zeros."""
    grown = np.zeros((count, dimensions), dtype=np.float32)
    grown[: len(rows)] = rows.reshape(len(rows), dimensions)
    return grown
