"""Measure what the group job found against who is really in the photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from faceflow_ml.album.schema import Face, Groups, Photo
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.evaluation.album_truth import AlbumTruth, MainFaceTruth, TrueFaces
from faceflow_ml.evaluation.clustering import ClusteringScores, evaluate_clustering
from faceflow_ml.evaluation.main_face import main_face
from faceflow_ml.inference.boxes import iou_matrix

MATCH_IOU = 0.4
"""A found face is a labelled one if their boxes overlap so much: less than detection asks for, as
who a face is does not hang on the edges of its box."""


@dataclass(frozen=True)
class LabelledFace:
    """One labelled face: its photo, who it is, and the found face, None where it was missed."""

    photo: str
    identity: str
    found: Face | None


@dataclass(frozen=True)
class AlbumMetrics:
    """How well an album was grouped, over its labelled faces.

    A labelled face that was missed counts as a group of its own.

    false_detections: found faces that are no labelled face; None where only main faces are
        labelled, as then the others are unknown.
    """

    photos: int
    labelled_faces: int
    missed_faces: int
    found_faces: int
    false_detections: int | None
    scores: ClusteringScores
    bcubed_f1: float
    pairwise_f1: float


@dataclass(frozen=True)
class AlbumRun:
    """The labelled faces of an album with what was found, and the measures."""

    faces: tuple[LabelledFace, ...]
    metrics: AlbumMetrics


def run_clustering(groups: Groups, truth: AlbumTruth) -> AlbumRun:
    """Match found faces with labelled ones and measure the grouping.

    Where every face is labelled, boxes are matched one to one, at IoU `MATCH_IOU` or more, so that
    the sum of overlaps is largest. Where a photo has one label, it is that of its main face, see
    `main_face`.

    Raises:
        FaceFlowError: a labelled photo is not among those that were grouped.
    """
    photos = {photo.path: photo for photo in groups.photos}
    unknown = sorted(truth.photos - photos.keys())
    if unknown:
        raise FaceFlowError(
            f"{len(unknown)} labelled photos were not grouped, {unknown[0]} among them"
        )
    faces: list[LabelledFace] = []
    false_detections: int | None = None
    if isinstance(truth, MainFaceTruth):
        for path, person in truth.person_of.items():
            faces.append(LabelledFace(path, person, _main(photos[path])))
    else:
        false_detections = 0
        for path, true in truth.faces_of.items():
            matched = _match(photos[path], true)
            false_detections += len(photos[path].faces) - len(matched)
            faces += [
                LabelledFace(path, identity, matched.get(row))
                for row, identity in enumerate(true.identities)
            ]
    scores = evaluate_clustering(*_labels(faces))
    metrics = AlbumMetrics(
        photos=len(truth.photos),
        labelled_faces=len(faces),
        missed_faces=sum(face.found is None for face in faces),
        found_faces=sum(len(photos[path].faces) for path in truth.photos),
        false_detections=false_detections,
        scores=scores,
        bcubed_f1=scores.bcubed.f1,
        pairwise_f1=scores.pairwise.f1,
    )
    return AlbumRun(tuple(faces), metrics)


def worst_people(run: AlbumRun, count: int) -> list[tuple[str, list[LabelledFace]]]:
    """The people with the most to correct, with their faces: up to ``count``, the worst first.

    What is wrong with a person is the number of pieces the faces are in, beyond one, and the
    number of faces that share a group with somebody else.
    """
    faces_of: dict[str, list[LabelledFace]] = {}
    people_in: dict[str, set[str]] = {}
    for face in run.faces:
        faces_of.setdefault(face.identity, []).append(face)
        if face.found is not None and face.found.person is not None:
            people_in.setdefault(face.found.person, set()).add(face.identity)

    def wrong(identity: str) -> int:
        groups = [None if f.found is None else f.found.person for f in faces_of[identity]]
        pieces = groups.count(None) + len(set(groups) - {None})
        mixed = sum(group is not None and len(people_in[group]) > 1 for group in groups)
        return pieces - 1 + mixed

    worst = sorted(faces_of, key=lambda identity: (-wrong(identity), identity))
    return [(identity, faces_of[identity]) for identity in worst[:count] if wrong(identity)]


def _main(photo: Photo) -> Face | None:
    if photo.width is None or photo.height is None:
        return None  # it could not be read
    boxes = [face.box for face in photo.faces]
    row = main_face(boxes, [face.score for face in photo.faces], photo.width, photo.height)
    return None if row is None else photo.faces[row]


def _match(photo: Photo, true: TrueFaces) -> Mapping[int, Face]:
    """The found face of each labelled one that has any."""
    if not photo.faces:
        return {}
    overlap = iou_matrix(
        true.boxes.astype(np.float32), np.array([face.box for face in photo.faces], np.float32)
    )
    # What overlaps too little must not decide who gets whom.
    overlap[overlap < MATCH_IOU] = 0.0
    rows, columns = linear_sum_assignment(-overlap)
    return {
        int(row): photo.faces[column]
        for row, column in zip(rows, columns, strict=True)
        if overlap[row, column] > 0
    }


def _labels(faces: list[LabelledFace]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    people = [None if face.found is None else face.found.person for face in faces]
    groups = {person: i for i, person in enumerate(sorted({p for p in people if p is not None}))}
    identities = {name: i for i, name in enumerate(sorted({face.identity for face in faces}))}
    labels = [-1 if person is None else groups[person] for person in people]
    truth = [identities[face.identity] for face in faces]
    return np.array(labels, np.int64), np.array(truth, np.int64)
