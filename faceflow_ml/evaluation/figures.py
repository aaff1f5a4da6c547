"""The pictures of each kind of measurement, written beside its report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from faceflow_ml.errors import ImageError
from faceflow_ml.evaluation.contact_sheet import (
    Tile,
    around_box,
    around_landmarks,
    write_contact_sheet,
)
from faceflow_ml.evaluation.detection import pr_curve
from faceflow_ml.evaluation.plots import (
    plot_error_versus_reject,
    plot_histograms,
    plot_precision_recall,
    plot_recall_by_false_positives,
    plot_reliability,
    plot_roc,
)
from faceflow_ml.evaluation.rejection import error_versus_reject
from faceflow_ml.evaluation.run_clustering import AlbumRun, worst_people
from faceflow_ml.evaluation.run_detection import DetectorRun, worst_cases, worst_landmarks
from faceflow_ml.evaluation.run_verification import IdentityRun, PairRun, worst_pairs
from faceflow_ml.evaluation.verification import all_pair_scores, roc_curve
from faceflow_ml.inference.images import load_image

_SHOWN = 16
_PEOPLE = 10
_REJECT_FAR = 1e-2  # a few hundred pairs hold too few of the more alike ones


def draw_detector(folder: Path, run: DetectorRun) -> None:
    """Write pr.png, recall.png, scores.png, reliability.png and worst.jpg."""
    metrics, matched = run.metrics, run.matched
    points = {
        "own threshold": (metrics.at_threshold.recall, metrics.at_threshold.precision),
        "best F1": (metrics.best_f1.recall, metrics.best_f1.precision),
    }
    plot_precision_recall(folder / "pr.png", pr_curve(matched), metrics.average_precision, points)
    plot_recall_by_false_positives(folder / "recall.png", matched.hits, matched.faces)
    plot_histograms(
        folder / "scores.png",
        matched.scores[matched.hits],
        matched.scores[~matched.hits],
        names=("true", "false"),
        xlabel="score",
        title="Scores of detections",
        thresholds={
            "own threshold": metrics.at_threshold.score_threshold,
            "0.1 false an image": metrics.score_at_0_1_fp_per_image,
            "1 false an image": metrics.score_at_1_fp_per_image,
        },
        log=True,
    )
    if metrics.reliability is not None:
        plot_reliability(
            folder / "reliability.png",
            {"scores": metrics.reliability},
            title="Reliability of the scores as probabilities",
        )
    false, missed = worst_cases(run, _SHOWN)
    sections = []
    for name, cases in (
        ("False positives with the highest scores", false),
        ("Largest faces missed at one false positive an image", missed),
    ):
        tiles = []
        for case in cases:
            size = round(max(case.box[2] - case.box[0], case.box[3] - case.box[1]))
            caption = f"{size} px" + (f", score {case.score:.2f}" if case.score else "")
            tiles.append(Tile(around_box(run.samples[case.photo].decode(), case.box), caption))
        sections.append((name, tiles))
    tiles = [
        Tile(around_landmarks(run.samples[photo].decode(), points), f"error {error:.2f}")
        for photo, points, error in worst_landmarks(run, _SHOWN)
    ]
    sections.append(("Landmarks furthest off, in eye distances", tiles))
    write_contact_sheet(folder / "worst.jpg", sections)


def draw_pairs(folder: Path, run: PairRun) -> None:
    """Write pairs_roc.png, pairs_scores.png, pairs_worst.jpg and, over pairs without a missed face,
    pairs_reject.png."""
    plot_roc(folder / "pairs_roc.png", {"pairs of photos": roc_curve(run.scores, run.same)})
    seen = ~run.missed
    plot_histograms(
        folder / "pairs_scores.png",
        run.scores[run.same & seen],
        run.scores[~run.same & seen],
        names=("same person", "different people"),
        xlabel="cosine similarity",
        title="Pairs of photos",
        thresholds={"best": run.metrics.threshold},
    )
    scores, same = run.scores[seen], run.same[seen]
    if same.any() and not same.all():
        curve = error_versus_reject(scores, same, run.quality[seen], _REJECT_FAR)
        plot_error_versus_reject(folder / "pairs_reject.png", {"pairs of photos": curve})
    genuine, impostor = worst_pairs(run, _SHOWN)
    sections = []
    for name, rows in (
        ("Same person, least alike", genuine),
        ("Different people, most alike", impostor),
    ):
        tiles = []
        for row in rows:
            both = np.concatenate(list(run.faces.crops[run.rows[row]]), axis=1)
            tiles.append(Tile(both, f"similarity {run.scores[row]:.2f}"))
        sections.append((name, tiles))
    write_contact_sheet(folder / "pairs_worst.jpg", sections, size=(224, 112), columns=4)


def draw_identities(folder: Path, run: IdentityRun) -> None:
    """Write identities_roc.png, identities_scores.png and identities_norms.png."""
    scores, same = all_pair_scores(run.vectors, run.labels)
    plot_roc(folder / "identities_roc.png", {"all pairs of faces": roc_curve(scores, same)})
    plot_histograms(
        folder / "identities_scores.png",
        scores[same],
        scores[~same],
        names=("same person", "different people"),
        xlabel="cosine similarity",
        title="All pairs of aligned faces",
        thresholds={
            "balanced": run.metrics.threshold_balanced,
            "FAR 1e-3": run.metrics.threshold_at_far_1e_3,
            "FAR 1e-4": run.metrics.threshold_at_far_1e_4,
        },
    )
    low, high = np.percentile(run.norms, [5, 95])
    plot_histograms(
        folder / "identities_norms.png",
        run.norms,
        run.norms[:0],
        names=("faces", ""),
        xlabel="length of the embedding before normalisation",
        title="Norms",
        thresholds={"5th percentile": float(low), "95th": float(high)},
    )


def draw_album(folder: Path, run: AlbumRun, album: Path) -> None:
    """Write album_worst.jpg: for the people who were broken up or mixed most, their faces, with
    the group that each was put in."""
    people = worst_people(run, _PEOPLE)
    if not people:
        return
    sections = []
    for identity, faces in people:
        tiles = []
        for face in faces[:_SHOWN]:
            try:
                image = load_image(album / face.photo)
            except ImageError:
                continue
            if face.found is None:
                tiles.append(Tile(image, "missed"))
            else:
                tiles.append(
                    Tile(
                        around_box(image, face.found.box, context=0.3),
                        face.found.person or "no group",
                    )
                )
        sections.append((f"Person {identity}", tiles))
    write_contact_sheet(folder / "album_worst.jpg", sections)
