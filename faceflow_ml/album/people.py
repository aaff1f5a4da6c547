"""From records to people: grouping, ids that last, covers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from faceflow_ml.album.analyse import PhotoFile
from faceflow_ml.album.records import PhotoRecord
from faceflow_ml.album.schema import Face, Groups, Person, Photo, Point
from faceflow_ml.clustering.batch import THRESHOLD, cluster_faces
from faceflow_ml.clustering.stable_ids import match_groups, next_free_number
from faceflow_ml.inference.boxes import iou_matrix

_SAME_FACE_IOU = 0.5


@dataclass(frozen=True)
class Assignment:
    """Who is who: the person of each face in a group, and the labels people gave.

    next_number: the number of the next new person.
    """

    person_of: Mapping[str, str]
    labels: Mapping[str, str]
    next_number: int


def assign_people(
    records: Sequence[PhotoRecord],
    previous: Groups | None,
    *,
    threshold: float | None,
    next_number: int = 1,
) -> Assignment:
    """Group the faces of ``records``, one record a content, and name the groups.

    Ids are p001, p002, ... by size; with ``previous``, groups keep the ids (and labels) they had
    there, and new ones go on counting.

    threshold: cosine similarity of two faces of one person; None for the library's default.
    next_number: of the run before, so that the id of a person who is gone is not given again.
    """
    faces = [identifier for record in records for identifier in record.face_ids]
    labels = np.empty(0, np.int64)
    if faces:
        labels = cluster_faces(
            np.concatenate([record.vectors for record in records]),
            np.repeat(np.arange(len(records)), [len(record.quality) for record in records]),
            quality=np.concatenate([record.quality for record in records]),
            threshold=THRESHOLD if threshold is None else threshold,
        )
    people_before = () if previous is None else previous.people
    stable = match_groups(
        {} if previous is None else carried_over(previous, records),
        faces,
        labels,
        next_number=max(next_number, next_free_number(person.id for person in people_before)),
    )
    return Assignment(
        person_of={
            identifier: stable.ids[label]
            for identifier, label in zip(faces, labels.tolist(), strict=True)
            if label >= 0
        },
        labels={person.id: person.label for person in people_before if person.label},
        next_number=stable.next_number,
    )


def carried_over(previous: Groups, records: Sequence[PhotoRecord]) -> dict[str, str]:
    """The person that each face of ``records`` was in ``previous``.

    Faces are matched by place in the same photo content, so that people keep their ids when a
    new detector draws the boxes a little differently.
    """
    faces_before = {
        photo.sha256: [face for face in photo.faces if face.person is not None]
        for photo in previous.photos
        if photo.sha256 is not None
    }
    carried: dict[str, str] = {}
    for record in records:
        before = faces_before.get(record.sha256)
        if not before or not len(record.detections):
            continue
        overlap = iou_matrix(
            record.detections.boxes.astype(np.float64),
            np.array([face.box for face in before], np.float64),
        )
        best = overlap.argmax(axis=1)
        for row, identifier in enumerate(record.face_ids):
            person = before[best[row]].person
            if person is not None and overlap[row, best[row]] >= _SAME_FACE_IOU:
                carried[identifier] = person
    return carried


def photo_entries(
    files: Sequence[PhotoFile], records: Mapping[str, PhotoRecord], assignment: Assignment
) -> tuple[Photo, ...]:
    """One entry a file; copies of one content have the same faces."""
    entries = []
    for file in files:
        record = records.get(file.sha256) if file.sha256 and file.error is None else None
        entries.append(
            Photo(
                path=file.path,
                width=record.width if record else None,
                height=record.height if record else None,
                sha256=file.sha256,
                error=file.error,
                faces=_faces(record, assignment) if record else (),
            )
        )
    return tuple(entries)


def people_entries(
    photos: Sequence[Photo], records: Mapping[str, PhotoRecord], assignment: Assignment
) -> tuple[Person, ...]:
    """The people of ``photos``, the most photographed first; the clearest face is the cover."""
    faces: Counter[str] = Counter()
    in_photos: Counter[str] = Counter()
    for photo in photos:
        present = [face.person for face in photo.faces if face.person is not None]
        faces.update(present)
        in_photos.update(set(present))
    best: dict[str, tuple[float, float, str]] = {}
    for record in records.values():
        for row, identifier in enumerate(record.face_ids):
            person = assignment.person_of.get(identifier)
            if person is not None:
                rank = (
                    float(record.quality[row]),
                    float(record.detections.scores[row]),
                    identifier,
                )
                best[person] = max(best.get(person, rank), rank)
    return tuple(
        Person(
            id=person,
            label=assignment.labels.get(person),
            faces=faces[person],
            photos=in_photos[person],
            cover=f"crops/{best[person][2]}.jpg",
        )
        for person in sorted(faces, key=lambda person: (-faces[person], person))
    )


def _faces(record: PhotoRecord, assignment: Assignment) -> tuple[Face, ...]:
    found = record.detections
    faces = []
    for row, identifier in enumerate(record.face_ids):
        x1, y1, x2, y2 = (round(float(value), 2) for value in found.boxes[row])
        left, right, nose, mouth_left, mouth_right = (_point(p) for p in found.landmarks[row])
        faces.append(
            Face(
                face_id=identifier,
                box=(x1, y1, x2, y2),
                score=min(round(float(found.scores[row]), 4), 1.0),
                landmarks=(left, right, nose, mouth_left, mouth_right),
                person=assignment.person_of.get(identifier),
            )
        )
    return tuple(faces)


def _point(point: np.ndarray) -> Point:
    return round(float(point[0]), 2), round(float(point[1]), 2)
