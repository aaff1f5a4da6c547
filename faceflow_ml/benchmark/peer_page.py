"""The comparison with peers as a section of the page."""

from __future__ import annotations

from faceflow_ml.benchmark.markdown import table
from faceflow_ml.benchmark.peer_detection import DetectorComparison, DetectorTable
from faceflow_ml.benchmark.peer_grouping import GroupingRun, GroupingTable
from faceflow_ml.benchmark.peer_run import PeerResults
from faceflow_ml.benchmark.peer_verification import RecognizerComparison, RecognizerTable

_NO_PHOTOS = "Not measured in this run, which had no research photos.\n"


def peer_sections(peers: PeerResults) -> list[str]:
    """Sections of Markdown."""
    return [
        "## Beside the tools that people use instead\n",
        "In one run, on the same photos. Peers are optional and are reported where they are not "
        "installed. No peer was tuned, and nothing of this project was trained on these photos.\n",
        "### Detectors\n",
        *(_detectors(peers.detection) if peers.detection else [_NO_PHOTOS]),
        "### Recognisers on `lfw_dev`, each with its own detector\n",
        *(_recognizers(peers.recognition) if peers.recognition else [_NO_PHOTOS]),
        "### The whole job\n",
        *_jobs(peers.grouping),
    ]


def _detectors(result: DetectorTable) -> list[str]:
    return [
        f"{result.photos} photos of the validation split with {result.faces} faces, one thread. "
        "Whether hair, ears and chin belong to a face's box is a convention in which detectors "
        "and data sets differ, so that each detector's boxes, this project's too, are moved and "
        "scaled by the median difference to the labels, measured on "
        f"{result.fit_photos} training photos. AP as drawn is without that, AP at IoU 0.3 is of "
        "the boxes as drawn under a criterion that hardly minds conventions. FP: false positives. "
        "Peers were not trained on these sets, whose training split this project knows. "
        "`auto` labels are boxes that a public detector found with high confidence.\n",
        table(
            (
                "detector",
                "AP@0.5",
                "as drawn",
                "AP at IoU 0.3",
                "recall at 1 FP an image",
                "at 0.1 FP",
                "landmark error",
                "ms at 640x480",
                "ms a photo",
                "boxes scaled by",
            ),
            [_detector(row) for row in result.results],
        ),
        *_missing(result.missing),
    ]


def _detector(row: DetectorComparison) -> list[str]:
    error = row.landmark_error
    return [
        row.name,
        f"{row.average_precision:.4f}",
        f"{row.ap_as_drawn:.4f}",
        f"{row.ap_loose:.4f}",
        f"{row.recall_at_1_fp_per_image:.4f}",
        f"{row.recall_at_0_1_fp_per_image:.4f}",
        "none" if error is None else f"{error:.1%}",
        f"{row.at_640x480.median_ms:.1f}",
        f"{row.per_photo.median_ms:.1f}",
        f"{row.box_fit.scale_x:.2f} x {row.box_fit.scale_y:.2f}",
    ]


def _recognizers(result: RecognizerTable) -> list[str]:
    return [
        "A photo in which a recogniser finds no face makes its pairs errors. Square brackets: 95% "
        "confidence intervals.\n",
        table(
            (
                "recogniser",
                "accuracy, 10-fold",
                "TAR at FAR 1e-3",
                "ROC AUC",
                "photos without a face",
                "ms a photo",
            ),
            [_recognizer(row) for row in result.results],
        ),
        *_missing(result.missing),
    ]


def _recognizer(row: RecognizerComparison) -> list[str]:
    m = row.metrics
    accuracy, tar = m.accuracy, m.tar_at_far_1e_3
    return [
        row.name,
        f"{accuracy.value:.4f} [{accuracy.low:.4f}, {accuracy.high:.4f}]",
        f"{tar.value:.4f} [{tar.low:.4f}, {tar.high:.4f}]",
        f"{m.roc_auc:.4f}",
        f"{m.missed_photos} ({m.faces_missed:.2%})",
        "see above" if row.per_photo is None else f"{row.per_photo.median_ms:.1f}",
    ]


def _jobs(result: GroupingTable) -> list[str]:
    own = result.results[0]
    faster = [
        f"This project's command is {own.photos_per_second / other.photos_per_second:.1f} times "
        f"as fast as {other.name}.\n"
        for other in result.results[1:]
        if other.photos_per_second > 0
    ]
    return [
        f"Processes on all cores, start-up included, on {result.album}. The recipe: HOG detector "
        "on photos of twice the size, five landmarks, ResNet, Chinese whispers at a distance of "
        "0.5. Edits are joins and splits that make the grouping right. Memory is summed over "
        "processes.\n",
        table(
            ("job", "BCubed F", "precision, recall", "edits", "faces missed", "photos/s", "memory"),
            [_job(row) for row in result.results],
        ),
        *faster,
        *_missing(result.missing),
    ]


def _job(row: GroupingRun) -> list[str]:
    m = row.metrics
    quality = ["not measured"] * 4
    if m is not None:
        quality = [
            f"{m.bcubed_f1:.4f}",
            f"{m.scores.bcubed.precision:.4f}, {m.scores.bcubed.recall:.4f}",
            str(m.scores.edits.corrections),
            f"{m.missed_faces} of {m.labelled_faces}",
        ]
    return [
        row.name,
        *quality,
        f"{row.photos_per_second:.1f} ({row.photos} in {row.seconds:.1f} s)",
        "unknown" if row.peak_mib is None else f"{row.peak_mib:.0f} MiB",
    ]


def _missing(missing: tuple[tuple[str, str], ...]) -> list[str]:
    return [f"Not measured: {name}: {reason}.\n" for name, reason in missing]
