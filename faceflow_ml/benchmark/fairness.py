"""Where the models fail, and for whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceflow_ml.benchmark.fictional import (
    CONDITIONS,
    Condition,
    FictionalPhoto,
    FictionalRun,
    FictionalStratum,
    run_fictional,
)
from faceflow_ml.benchmark.markdown import table
from faceflow_ml.benchmark.strata import DetectionStratum, VerificationStratum
from faceflow_ml.evaluation.contact_sheet import Tile, around_box, write_contact_sheet
from faceflow_ml.inference.pipeline import FacePipeline
from faceflow_ml.inference.types import ImageArray

DETECTION_PICTURE = "failures-detection.png"
RECOGNITION_PICTURE = "failures-recognition.png"
_SHOWN = 16


@dataclass(frozen=True)
class Fairness:
    """Strata of fictional people, and of real photos where they are on this machine.

    threshold: similarity at which fictional people are taken for one. pictures: names of the files
    with examples, all of fictional people.
    """

    people: int
    threshold: float
    fictional: tuple[FictionalStratum, ...]
    detection: tuple[DetectionStratum, ...]
    verification: tuple[VerificationStratum, ...]
    pictures: tuple[str, ...]


def measure_fairness(
    pipeline: FacePipeline,
    detection: Sequence[DetectionStratum],
    verification: Sequence[VerificationStratum],
    *,
    pictures: Path | None = None,
    people: int,
    conditions: Sequence[Condition] = CONDITIONS,
    say: Callable[[str], None] = lambda _line: None,
) -> Fairness:
    """Measure on fictional people, beside what was measured on real photos.

    Args:
        pipeline: the models, at their own thresholds.
        detection, verification: strata of real photos; empty where there are none.
        pictures: folder to write examples of failures into; None writes none.
        people: fictional ones, 2 at least.
        conditions: how each is seen.
        say: told what is measured now.
    """
    run = run_fictional(pipeline, people=people, conditions=conditions, say=say)
    names: tuple[str, ...] = ()
    if pictures is not None:
        names = (DETECTION_PICTURE, RECOGNITION_PICTURE)
        write_contact_sheet(pictures / names[0], [missed(run, conditions)])
        write_contact_sheet(
            pictures / names[1], [unlike(run, conditions), alike(run, conditions)], columns=8
        )
    return Fairness(
        people=people,
        threshold=run.threshold,
        fictional=run.strata,
        detection=tuple(detection),
        verification=tuple(verification),
        pictures=names,
    )


def missed(run: FictionalRun, conditions: Sequence[Condition]) -> tuple[str, list[Tile]]:
    """Faces that were not found: a few of each condition, the largest first."""
    photos = [photo for photo in run.photos if photo.vector is None]
    photos.sort(key=lambda photo: -float(photo.box[2] - photo.box[0]))
    tiles = [
        Tile(around_box(photo.image, _box(photo)), conditions[photo.condition].name)
        for photo in _varied(photos)
    ]
    return f"{len(photos)} of {len(run.photos)} faces were not found; shown", tiles


def unlike(run: FictionalRun, conditions: Sequence[Condition]) -> tuple[str, list[Tile]]:
    """Photos that are taken for someone else than their person, beside the reference."""
    own = [float(run.similarity[row, photo.person]) for row, photo in enumerate(run.photos)]
    order = [row for row in np.argsort(own, kind="stable").tolist() if own[row] < run.threshold]
    chosen = _varied([run.photos[row] for row in order], limit=_SHOWN // 2)
    tiles = []
    for photo in chosen:
        tiles.append(Tile(_face(run.references[photo.person]), "reference"))
        tiles.append(Tile(_face(photo.image), conditions[photo.condition].name))
    return f"{len(order)} times a person was taken for two; pictures", tiles


def alike(run: FictionalRun, conditions: Sequence[Condition]) -> tuple[str, list[Tile]]:
    """Photos that are taken for another person, beside that person's reference."""
    scores = run.similarity.copy()
    scores[np.arange(len(run.photos)), [photo.person for photo in run.photos]] = np.nan
    scores = np.nan_to_num(scores, nan=-1.0)
    wrong = int((scores >= run.threshold).sum())
    tiles = []
    for row in np.argsort(-scores.max(axis=1), kind="stable")[: _SHOWN // 2].tolist():
        other = int(scores[row].argmax())
        if scores[row, other] >= run.threshold:
            tiles.append(Tile(_face(run.references[other]), "reference"))
            name = conditions[run.photos[row].condition].name
            tiles.append(Tile(_face(run.photos[row].image), name))
    return f"{wrong} times two people were taken for one; pictures", tiles


def fairness_sections(fairness: Fairness, pictures: str | None) -> list[str]:
    """Sections of Markdown; ``pictures`` is their folder, relative to the page."""
    sections = [
        "## Where the models fail\n",
        f"### {fairness.people} fictional people, one condition at a time\n",
        "The same people in every condition, each compared with a frontal reference of everyone. "
        "Found: at the detector's own threshold. Taken for the person, and for another: of the "
        "found, at one threshold for all, at which 1% of all pairs of two people are taken for "
        "one. Faces are 120 pixels where nothing else is said. Skin, age and look are as drawn, "
        "over all conditions. Rendered faces are simpler than real ones, so that differences "
        "between rows say more than the numbers.\n",
        table(
            ("kind", "", "photos", "found", "taken for the person", "taken for another"),
            [
                (
                    row.kind,
                    row.name,
                    str(row.photos),
                    f"{row.found / max(1, row.photos):.1%}",
                    _share(row.true_accepts),
                    _share(row.false_accepts, 2),
                )
                for row in fairness.fictional
            ],
        ),
    ]
    if pictures is not None and fairness.pictures:
        sections += ["Examples, all of fictional people:\n"]
        sections += [f"![{name}]({pictures}/{name})\n" for name in fairness.pictures]
    if fairness.detection:
        sections += [
            "### Detection in real photos\n",
            "The validation split at the detector's own threshold. Turn and tilt are known for "
            "faces with marked landmarks only: of the masked ones, few. `caltech` are photos from "
            "the web of the early 2000s, the others people with and without masks, crowds among "
            "them.\n",
            table(
                ("kind", "", "faces", "found", "false positives an image"),
                [
                    (
                        row.kind,
                        row.name,
                        str(row.faces),
                        f"{row.found / row.faces:.1%}" if row.faces else "no faces",
                        "" if row.false_positives is None else f"{row.false_positives:.2f}",
                    )
                    for row in fairness.detection
                ],
            ),
        ]
    if fairness.verification:
        sections += [
            "### Verification of real aligned faces\n",
            "At one threshold for all, that of a false accept rate of 1e-3 over all pairs. These "
            "faces carry no labels of age, sex or origin, so that differences between groups of "
            "real people are not measured.\n",
            table(
                ("kind", "", "pairs of one person", "accepted", "pairs of two", "accepted"),
                [
                    (
                        row.kind,
                        row.name,
                        f"{row.genuine_pairs:,}",
                        _share(row.true_accepts),
                        f"{row.impostor_pairs:,}",
                        _share(row.false_accepts, 3),
                    )
                    for row in fairness.verification
                ],
            ),
        ]
    return sections


def _varied(photos: Sequence[FictionalPhoto], limit: int = _SHOWN) -> list[FictionalPhoto]:
    """The first of each condition, then the second, and so on, up to the limit."""
    rank: dict[int, int] = {}
    ranked = []
    for place, photo in enumerate(photos):
        rank[photo.condition] = rank.get(photo.condition, -1) + 1
        ranked.append((rank[photo.condition], place, photo))
    return [photo for _, _, photo in sorted(ranked, key=lambda item: item[:2])[:limit]]


def _face(image: ImageArray) -> ImageArray:
    """The middle of a photo, where the face is."""
    side, part = image.shape[0], image.shape[0] // 3
    return image[(side - part) // 2 : (side + part) // 2, (side - part) // 2 : (side + part) // 2]


def _box(photo: FictionalPhoto) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(value) for value in photo.box)
    return x1, y1, x2, y2


def _share(value: float | None, digits: int = 1) -> str:
    return "no pairs" if value is None else f"{value:.{digits}%}"
