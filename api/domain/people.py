"""Keeping an album's people up to date with its photos: `refresh`, `recluster`, `settle`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.domain.centers import centers_of, follow_centers, keep_centers
from api.domain.certainty import default_model
from api.domain.decisions import Run
from api.domain.grouping import NewFaces, assign, group_all, leftovers
from api.domain.ledger import Outcome, append_run, ledger_of, people_of
from api.domain.log import people_before, read_log
from api.domain.models import Album, Face, JobKind, Ledger
from api.domain.rows import face_row
from api.domain.run_projection import with_new_faces
from api.domain.runs import NOBODY, MachineRun
from api.domain.state import GONE, Floats, People, as_ids
from api.domain.vectors import Vectors
from api.errors import Conflict
from api.repositories.table import PRESENT, Index, Update
from api.services import Services
from api.workflow.context import JobContext

Progress = Callable[[int, int, str], None]
"""Told (done, total, step) now and then; may raise to stop the work, which loses nothing."""

SMALL = 5_000
"""Faces up to which everything is grouped anew each time: it takes seconds."""
GROWTH = 0.25
"""Faces that came since everything was grouped, as a share of those then, from which on it is
done again. Time grows with the square, so that all the times before the last cost less than twice
the last: 1 / (1 - 1.25**-2) = 2.8 in all."""

_ATTEMPTS = 5


def refresh(services: Services, album: Album, progress: Progress | None = None) -> None:
    """Bring the people up to date with the faces that have come.

    New faces join the clusters that there are; when the album is small or has grown much, or its
    vectors are of another contract than before, everything is grouped anew. Ids, names and what
    people decided stay. Run again after a crash, it goes on or does nothing.

    Raises:
        Conflict: photos come and go all the time.
    """
    _update(services, album, progress, everything=False)


def recluster(services: Services, album: Album, progress: Progress | None = None) -> None:
    """Group every face of the album anew, as `refresh` does when much has changed."""
    _update(services, album, progress, everything=True)


def is_current(services: Services, album: Album) -> bool:
    """Are its people grouped by vectors of the embedder that is there now, if at all? If not, new
    faces have to wait for `workflow.reembedding`: vectors of two embedders cannot be compared."""
    return people_of(services, album).contract in (None, services.engine.contract_id)


def settle(services: Services, album: Album, decision_id: str) -> None:
    """Look again at the faces that an undo left with nobody: they had joined those whom it took
    elsewhere. Run again after a crash, it goes on or does nothing.

    Raises:
        Conflict: photos come and go all the time.
    """
    for _ in range(_ATTEMPTS):
        seen = people_of(services, album)
        earlier = [entry.id for entry in read_log(services, album) if entry.id < decision_id]
        before = people_before(services, album, earlier[-1] if earlier else None)
        faces = _left_alone(before, seen)
        if not len(faces) or seen.contract != services.engine.contract_id:
            return
        vectors = Vectors(services, album, seen.contract).of(seen, faces)
        sums = centers_of(services, album, seen).sums
        threshold = services.engine.threshold
        model = services.engine.confidence or default_model(threshold)
        run = assign(seen, faces, vectors, sums, threshold, model)
        if not len(run.faces):
            return
        payload = Run(contract=seen.contract, full=False)
        outcome = append_run(services, album, seen, run, payload, full=False)
        if outcome is not None:
            follow_centers(services, album, outcome.people)
            return
    raise Conflict("photos come and go while people are grouped; try again")


def leaves_alone(outcome: Outcome) -> bool:
    """Is there work for `settle` after this undo?"""
    return len(_left_alone(outcome.before, outcome.people)) > 0


def _left_alone(before: People, after: People) -> NDArray[np.int64]:
    """The faces that were somebody's, and are nobody's now."""
    now = after.cluster[: len(before.cluster)]
    return np.flatnonzero((before.cluster >= 0) & (now == NOBODY))


def _update(
    services: Services, album: Album, progress: Progress | None, *, everything: bool
) -> None:
    for _ in range(_ATTEMPTS):
        if progress is not None:
            progress(0, 1, "cluster")
        if _try_update(services, album, everything=everything):
            if progress is not None:
                progress(1, 1, "cluster")
            return
    raise Conflict("photos come and go while people are grouped; try again")


@dataclass(frozen=True, eq=False)
class _Plan:
    people: People
    """With the new faces, who are nobody's yet."""
    fresh: NewFaces
    full: bool


def _try_update(services: Services, album: Album, *, everything: bool) -> bool:
    """False if it has to be tried again because faces came or went meanwhile."""
    seen = people_of(services, album)
    contract = services.engine.contract_id
    vectors = Vectors(services, album, contract)
    plan = _plan(services, album, seen, vectors, everything=everything)
    if plan is None:
        return True
    old = len(seen.table)
    threshold = services.engine.threshold
    model = services.engine.confidence or default_model(threshold)
    everyone: Floats | None = None
    if plan.full:
        known = vectors.all(seen) if old else plan.fresh.vectors[:0]
        everyone = np.concatenate([known, plan.fresh.vectors])
        run = group_all(plan.people, everyone, threshold, model)
    else:
        faces = leftovers(plan.people, first_new=old)
        left, come = faces[faces < old], faces[faces >= old]
        looked = np.concatenate([vectors.of(seen, left), plan.fresh.vectors[come - old]])
        sums = centers_of(services, album, seen).sums
        run = assign(plan.people, faces, looked, sums, threshold, model)
    run = _with_faces(run, plan.fresh)
    if not len(run.faces) and not len(run.new_faces) and seen.contract == contract:
        _note_full(services, album, plan)
        return True
    payload = Run(contract=contract, full=plan.full)
    outcome = append_run(services, album, seen, run, payload, full=plan.full)
    if outcome is None:
        return False
    vectors.add(outcome.people.table, old, plan.fresh.vectors)
    if everyone is not None:
        keep_centers(services, album, outcome.people, everyone)
    else:
        follow_centers(services, album, outcome.people)
    return True


def _plan(
    services: Services, album: Album, seen: People, vectors: Vectors, *, everything: bool
) -> _Plan | None:
    """What is to be done; None: nothing."""
    contract = services.engine.contract_id
    fresh = _new_faces(services, album, seen, vectors)
    ledger = ledger_of(services, album)
    full = everything or _grown(ledger, len(seen.table) + len(fresh.ids))
    full = full or (seen.contract is not None and seen.contract != contract)
    if not len(fresh.ids) and not everything and seen.contract in (contract, None):
        return None
    if not len(fresh.ids) and not len(seen.table):
        return None
    return _Plan(with_new_faces(seen, fresh.introduce()), fresh, full)


def _grown(ledger: Ledger, faces: int) -> bool:
    return faces <= SMALL or faces - ledger.full_faces >= GROWTH * ledger.full_faces


def _new_faces(services: Services, album: Album, seen: People, vectors: Vectors) -> NewFaces:
    """Faces that the log has not seen, in the order of their ids."""
    contract = services.engine.contract_id
    waiting = list(services.faces.index_all(Index.GSI1, Face.fresh_partition(album.id)))
    numbers = seen.table.number.find([face.id for face in waiting])
    fresh: list[Face] = []
    for face, number in zip(waiting, numbers.tolist(), strict=True):
        if number < 0 or seen.cluster[number] == GONE:
            if face.contract_id == contract:
                fresh.append(face)
        else:
            # Written again by whoever made it: the log knows it.
            services.table.write(face_row(album, seen, number))
    return NewFaces(
        ids=as_ids(face.id for face in fresh),
        photos=as_ids(face.photo_id for face in fresh),
        quality=np.array([face.quality for face in fresh], dtype=np.float32),
        rows=np.array([face.row for face in fresh], dtype=np.int32),
        vectors=vectors.of_new([face.photo_id for face in fresh], [face.row for face in fresh]),
    )


def _with_faces(run: MachineRun, fresh: NewFaces) -> MachineRun:
    return dataclasses.replace(
        run,
        new_faces=fresh.ids,
        new_photos=fresh.photos,
        new_quality=fresh.quality,
        new_rows=fresh.rows,
    )


def _note_full(services: Services, album: Album, plan: _Plan) -> None:
    """Everything was grouped, and nothing changed."""
    if plan.full:
        services.table.write(
            Update(Ledger.key_of(album.id), {"fullFaces": len(plan.people.table)}, expect=PRESENT)
        )


def run_recluster(context: JobContext) -> None:
    """The job of `recluster` or, with an undo's id as its subject, of `settle`; nothing to do when
    the album is gone."""
    job = context.job
    album = context.services.albums.get(Album.key_of(job.user_id, job.album_id))
    if album is None:
        return
    if not is_current(context.services, album):
        context.start(JobKind.REEMBED)
    elif job.subject:
        settle(context.services, album, job.subject)
    else:
        recluster(context.services, album, context.progress)
