"""The comparison of groupings as a page of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from faceflow_ml.benchmark.grouping import CandidateResult, GroupingComparison, Spread
from faceflow_ml.benchmark.markdown import table
from faceflow_ml.evaluation.grouping_confidence import ConfidenceQuality
from faceflow_ml.evaluation.reliability import Reliability
from faceflow_ml.evaluation.reports import DataUsed, Environment, ModelUsed


def render_grouping_page(
    comparison: GroupingComparison,
    confidence: ConfidenceQuality,
    *,
    created: str,
    environment: Environment,
    models: Sequence[ModelUsed],
    data: Sequence[DataUsed],
    picture: str | None,
) -> str:
    """The page, as it is kept in ``docs/grouping.md``.

    picture: the reliability diagram, relative to the page.
    """
    low, high = comparison.pile_faces
    used = ", ".join(f"{item.name} `{item.fingerprint[:16]}`" for item in data)
    sections = [
        "# Grouping\n",
        "Written by `faceflow-ml evaluate grouping --page docs/grouping.md`; do not edit.\n",
        table(
            ("", ""),
            [
                ("measured", created),
                ("commit", environment.commit or "not a git checkout"),
                ("models (contract ids)", ", ".join(f"{m.kind} `{m.contract_id}`" for m in models)),
                ("data (fingerprints)", used),
                ("processor", f"{environment.cpu}, {environment.cores} cores"),
                ("libraries", ", ".join(f"{k} {v}" for k, v in environment.libraries.items())),
            ],
        ),
        "## Ways to group, on the same vectors\n",
        f"{comparison.piles} piles of {low} to {high} faces, drawn with long tails from "
        f"{comparison.faces:,} faces of {comparison.people} people who are in no training split. "
        "Thresholds are tuned on piles of one half of the people and checked on piles of the "
        "other, then the halves change places; every number is from the checks. ± is the "
        "standard deviation over piles. The gain is the difference in BCubed F to the first row, "
        "pile by pile, ± its standard error. Edits are joins and splits a hundred faces that make "
        "the grouping right. All honour the same constraints.\n",
        table(
            (
                "way",
                "thresholds",
                "BCubed F",
                "gain",
                "pairwise F",
                "edits",
                "synthetic albums, BCubed F",
                "ms a pile",
            ),
            [_row(result) for result in comparison.results],
        ),
        *(f"Not installed: {name}.\n" for name in comparison.missing),
        "## Confidence\n",
        "Fitted on piles of one half of the people and checked on those of the other, the halves "
        "changing places. A group is right when it holds one person only; a face in a group, when "
        "it is the person whom most of the group's faces are. The groups are made at the match "
        "threshold of the weights, which was calibrated on all of these people.\n",
        table(
            ("", "predictions", "right at all", "calibration error", "Brier score"),
            [_quality("groups", confidence.groups), _quality("faces", confidence.members)],
        ),
        *([f"![Reliability diagram]({picture})\n"] if picture else []),
        table(("groups said", "number", "are right"), _bins(confidence.groups)),
        table(("faces said", "number", "are right"), _bins(confidence.members)),
    ]
    return "\n".join(sections)


def _row(result: CandidateResult) -> list[str]:
    synthetic = result.synthetic_bcubed_f1
    return [
        result.name,
        ", ".join(f"{threshold:.3f}" for threshold in result.thresholds),
        _spread(result.bcubed_f1, 4),
        f"{result.gain:+.4f} ± {result.gain_error:.4f}",
        _spread(result.pairwise_f1, 4),
        _spread(result.edits, 1),
        "not measured" if synthetic is None else f"{synthetic:.4f}",
        f"{result.milliseconds:.0f}",
    ]


def _spread(value: Spread, digits: int) -> str:
    return f"{value.mean:.{digits}f} ± {value.deviation:.{digits}f}"


def _quality(name: str, quality: Reliability) -> list[str]:
    return [
        name,
        f"{sum(b.count for b in quality.bins):,}",
        f"{quality.base_rate:.1%}",
        f"{quality.calibration_error:.4f}",
        f"{quality.brier:.4f}",
    ]


def _bins(quality: Reliability) -> list[list[str]]:
    return [[f"{b.predicted:.1%}", f"{b.count:,}", f"{b.observed:.1%}"] for b in quality.bins]
