"""Measures as rows of text, for terminals and tables."""

from __future__ import annotations

from collections.abc import Sequence

from faceflow_ml.evaluation.calibration import (
    DetectorCalibration,
    EmbedderCalibration,
    ThresholdTrial,
)
from faceflow_ml.evaluation.run_alignment import AlignmentMetrics
from faceflow_ml.evaluation.run_clustering import AlbumMetrics
from faceflow_ml.evaluation.run_detection import DetectorMetrics, SizeRecall
from faceflow_ml.evaluation.run_verification import IdentityMetrics, PairMetrics
from faceflow_ml.evaluation.verification import Interval

Row = tuple[str, str]
"""What was measured, and its value."""


def detector_rows(m: DetectorMetrics) -> list[Row]:
    """A detector's measures."""
    error, own = m.landmark_error_median, m.at_threshold
    misplaced = m.misplaced_at_0_1_fp_per_image
    sizes = ", ".join(f"{_size(s)} {s.found}/{s.faces}" for s in m.by_size)
    return [
        ("photos, faces", f"{m.photos}, {m.faces}"),
        ("AP@0.5", f"{m.average_precision:.4f}"),
        ("recall at 100 false positives", f"{m.recall_at_100_fp:.4f}"),
        ("recall at 500 false positives", f"{m.recall_at_500_fp:.4f}"),
        ("recall at 1000 false positives", f"{m.recall_at_1000_fp:.4f}"),
        ("recall at 1 false positive an image", f"{m.recall_at_1_fp_per_image:.4f}"),
        ("recall at 0.1 false positives an image", f"{m.recall_at_0_1_fp_per_image:.4f}"),
        (
            "of those false positives, boxes of a face by IoU 0.2 to 0.5",
            "none" if misplaced is None else f"{misplaced:.1%}",
        ),
        (
            f"precision, recall at score {own.score_threshold:.3f}",
            f"{own.precision:.4f}, {own.recall:.4f}",
        ),
        (
            "landmark error (median)",
            "unknown" if error is None else f"{error:.2%} of the eye distance",
        ),
        (
            "calibration error of the scores",
            "none was found" if m.reliability is None else f"{m.reliability.calibration_error:.3f}",
        ),
        ("found by face size in px", sizes),
    ]


def pair_rows(m: PairMetrics) -> list[Row]:
    """Verification on pairs of photos."""
    return [
        ("pairs, photos", f"{m.pairs}, {m.photos}"),
        ("photos without a found face", f"{m.missed_photos} ({m.faces_missed:.2%})"),
        ("accuracy, 10-fold", _interval(m.accuracy)),
        ("ROC AUC", f"{m.roc_auc:.4f}"),
        ("TAR at FAR 1e-2", _interval(m.tar_at_far_1e_2)),
        ("TAR at FAR 1e-3", _interval(m.tar_at_far_1e_3)),
    ]


def identity_rows(m: IdentityMetrics) -> list[Row]:
    """Verification on all pairs of aligned faces."""
    return [
        ("aligned faces, people", f"{m.faces}, {m.identities}"),
        ("pairs of one person, of two", f"{m.genuine_pairs:,}, {m.impostor_pairs:,}"),
        ("TAR at FAR 1e-3, all pairs", _interval(m.tar_at_far_1e_3)),
        ("TAR at FAR 1e-4, all pairs", _interval(m.tar_at_far_1e_4)),
        ("similarity at FAR 1e-3", f"{m.threshold_at_far_1e_3:.3f}"),
        ("similarity at FAR 1e-4", f"{m.threshold_at_far_1e_4:.3f}"),
    ]


def aligner_rows(m: AlignmentMetrics) -> list[Row]:
    """Alignment errors in pixels of a 112x112 crop."""
    rows = [("aligned faces", str(m.faces))]
    for name, spread in (("disturbed", m.before), ("corrected", m.after)):
        text = f"{spread.mean:.2f} px, median {spread.median:.2f}, 95% within {spread.p95:.2f}"
        rows.append((f"error, {name}", text))
    return rows


def album_rows(m: AlbumMetrics) -> list[Row]:
    """A grouped album's measures."""
    s = m.scores
    missed = f"{m.missed_faces} of {m.labelled_faces}"
    false = "unknown" if m.false_detections is None else str(m.false_detections)
    return [
        ("photos, labelled faces, people", f"{m.photos}, {m.labelled_faces}, {s.identities}"),
        ("faces missed", missed),
        ("false detections", false),
        ("groups; faces in none", f"{s.groups}; {s.unassigned}"),
        ("BCubed F", f"{m.bcubed_f1:.4f}"),
        ("BCubed precision, recall", f"{s.bcubed.precision:.4f}, {s.bcubed.recall:.4f}"),
        ("pairwise F", f"{m.pairwise_f1:.4f}"),
        ("purity", f"{s.purity:.4f}"),
        ("V-measure", f"{s.v_measure:.4f}"),
        (
            "user edits",
            f"{s.edits.joins} joins, {s.edits.splits} splits, {s.edits.names} names",
        ),
    ]


def calibration_rows(
    detector: DetectorCalibration, embedder: EmbedderCalibration, trials: Sequence[ThresholdTrial]
) -> list[Row]:
    """What a calibration found, and what it tried."""
    return [
        ("score threshold", f"{detector.score_threshold:.4f}"),
        ("scores: slope, shift", f"{detector.score_slope:.4f}, {detector.score_shift:.4f}"),
        ("match threshold", f"{embedder.match_threshold:.4f}"),
        ("norms", f"{embedder.norm_low:.3f} to {embedder.norm_high:.3f}"),
        *((f"BCubed F at similarity {t.threshold:.3f}", f"{t.bcubed_f1:.4f}") for t in trials),
    ]


def _interval(value: Interval) -> str:
    return f"{value.value:.4f} [{value.low:.4f}, {value.high:.4f}]"


def _size(s: SizeRecall) -> str:
    return f"{s.smallest}+" if s.largest is None else f"{s.smallest}-{s.largest}"
