"""The benchmark as a page of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from faceflow_ml.benchmark.bars import Bar
from faceflow_ml.benchmark.fairness import fairness_sections
from faceflow_ml.benchmark.markdown import table
from faceflow_ml.benchmark.peer_page import peer_sections
from faceflow_ml.benchmark.quality import ALBUM_CURVE, PAIRS_CURVE, Quality
from faceflow_ml.benchmark.run import Benchmark
from faceflow_ml.benchmark.timing import Timing
from faceflow_ml.evaluation.rejection import PARTIAL, RejectCurve
from faceflow_ml.evaluation.summary import (
    Row,
    album_rows,
    detector_rows,
    identity_rows,
    pair_rows,
)

_REJECTED = (0, 0.05, 0.1, 0.2, 0.3, 0.5)
_ERRORS = ("error", "ideal")
_NOT_HERE = "Not measured in this run, which had no research photos.\n"


def render_page(benchmark: Benchmark, *, pictures: str | None = None) -> str:
    """The page, as it is kept in ``docs/benchmarks.md``.

    pictures: folder of the pictures that were written, relative to the page.
    """
    env, quality = benchmark.environment, benchmark.quality
    libraries = ", ".join(f"{name} {version}" for name, version in env.libraries.items())
    models = ", ".join(f"{m.kind} `{m.contract_id}`" for m in benchmark.models)
    sections = [
        "# Benchmarks\n",
        "Written by `faceflow-ml bench --out docs/benchmarks.md`; do not edit.\n",
        table(
            ("", ""),
            [
                ("measured", benchmark.created),
                ("commit", env.commit or "not a git checkout"),
                ("models (contract ids)", models),
                ("processor", f"{env.cpu}, {env.cores} cores"),
                ("software", f"faceflow-ml {env.faceflow_ml}, Python {env.python}, {env.system}"),
                ("libraries", libraries),
            ],
        ),
        "## Bars\n",
        table(
            ("bar", "measured", "limit", "met"),
            [(bar.name, _value(bar, bar.value), _limit(bar), _met(bar)) for bar in benchmark.bars],
        ),
        "## Speed\n",
        *_speed(benchmark),
        *(peer_sections(benchmark.peers) if benchmark.peers else []),
        "## Detection: validation split\n",
        _rows(detector_rows(quality.detection)) if quality.detection else _NOT_HERE,
        "## Verification: `lfw_dev`, detector and aligner included\n",
        _rows(pair_rows(quality.pairs)) if quality.pairs else _NOT_HERE,
        "Square brackets: 95% confidence intervals; over folds for the accuracy, over pairs for "
        "TAR (true accept rate) at FAR (false accept rate). A photo without a found face makes "
        "its pairs errors.\n",
        *rejection_section(quality, pictures),
        "## Verification: aligned faces of people that were not trained on\n",
        _rows(identity_rows(quality.identities)) if quality.identities else _NOT_HERE,
        "Intervals are over people.\n",
        "## Grouping: the album of real photos\n",
        _rows(album_rows(quality.album)) if quality.album else _NOT_HERE,
        "## Grouping: the synthetic album\n",
        _rows(album_rows(quality.synthetic_album)),
        "A labelled face that was missed counts as a group of its own. User edits: the fewest "
        "operations, each on the faces of one person in one group, that make the grouping "
        "right.\n",
        *(fairness_sections(benchmark.fairness, pictures) if benchmark.fairness else []),
    ]
    return "\n".join(sections)


def _speed(benchmark: Benchmark) -> list[str]:
    models, stages, job = benchmark.model_times, benchmark.stages, benchmark.throughput
    side = benchmark.album.width
    peak = "unknown" if job.peak_mib is None else f"{job.peak_mib:.0f} MiB"
    times: list[tuple[str, Timing | None]] = [
        ("detector, a photo of 640x480", models.detector),
        ("embedder, a face alone", models.embedder),
        ("embedder, a face in a batch of 16", models.embedder_batch),
        ("decode, a photo", stages.decode),
        ("detect, a photo", stages.detect),
        ("align, a face", stages.align),
        ("embed, a face", stages.embed),
        ("quality, a face", stages.quality),
        (f"cluster, all {stages.faces} faces", stages.cluster),
    ]
    return [
        f"On one thread; the stages over {stages.photos} synthetic photos of {side} pixels.\n",
        table(
            ("step", "median ms", "90th percentile ms", "runs"),
            [
                (name, f"{t.median_ms:.2f}", f"{t.p90_ms:.2f}", str(t.runs))
                for name, t in times
                if t is not None
            ],
        ),
        f"`faceflow-ml group` on {benchmark.environment.cores} cores, an empty cache, "
        f"{job.photos} different synthetic photos of {side} pixels.\n",
        table(
            ("", ""),
            [
                (
                    "photos/s, the whole command",
                    f"{job.photos_per_second:.1f} ({job.seconds:.1f} s)",
                ),
                (
                    "photos/s, libraries and models loaded",
                    f"{job.photos_per_second_warm:.1f} ({job.seconds_warm:.1f} s)",
                ),
                ("peak memory of the command", peak),
            ],
        ),
    ]


def rejection_section(quality: Quality, pictures: str | None) -> list[str]:
    """How well quality predicts failures; empty where that was not measured."""
    both = {PAIRS_CURVE: quality.pairs_rejection, ALBUM_CURVE: quality.album_rejection}
    curves = {name: curve for name, curve in both.items() if curve is not None}
    if not curves:
        return []
    drawn = quality.pictures if pictures is not None else ()
    return [
        "### Does the quality of a face predict failures?\n",
        "The main faces of all photos of a set, each compared with each; photos without a found "
        "face are left out. The threshold is the similarity that the given share of all pairs of "
        "two people reaches (FAR, false accept rate). The error is the share of the pairs of one "
        "person that are below it (false non-match rate). Of these pairs, those whose poorer face "
        "has the lowest quality are then left out, and the error is that of the others, at the "
        "same threshold. Ideal is a quality that knows the errors and leaves out those first.\n",
        table(
            ("", *curves),
            [
                ("FAR", *(f"{curve.far:g}" for curve in curves.values())),
                ("threshold", *(f"{curve.threshold:.3f}" for curve in curves.values())),
                ("pairs of one person", *(f"{c.genuine_pairs:,}" for c in curves.values())),
                ("pairs of two", *(f"{c.impostor_pairs:,}" for c in curves.values())),
                ("share of the ideal saving", *(_saving(curve) for curve in curves.values())),
            ],
        ),
        table(
            ("pairs left out", *(f"{name}: {what}" for name in curves for what in _ERRORS)),
            [
                (f"{share:.0%}", *(value for c in curves.values() for value in _errors(c, share)))
                for share in _REJECTED
            ],
        ),
        *(f"![{name}]({pictures}/{name})\n" for name in drawn),
        *(_lesson(name, curve) for name, curve in curves.items()),
        f"The share of the ideal saving, up to {PARTIAL:.0%} of the pairs left out, is 100% for a "
        "quality that finds the errors and nothing else, 0% for chance, and below 0% for worse. "
        "What quality saves is worth a better photo, or a person's look, for the faces of the "
        "lowest quality; the errors that stay have causes that quality does not see, such as age, "
        "expression or wrong labels. Pairs share people and photos, so that small differences "
        "mean nothing, and errors at different FAR are not to be compared.\n",
    ]


def _errors(curve: RejectCurve, share: float) -> tuple[str, str]:
    at = curve.shares.index(share)
    return f"{curve.errors[at]:.1%}", f"{curve.ideal[at]:.1%}"


def _lesson(name: str, curve: RejectCurve) -> str:
    (before, _), (after, ideal) = _errors(curve, 0), _errors(curve, PARTIAL)
    return (
        f"`{name}`: leaving out the {PARTIAL:.0%} of the lowest quality takes the error from "
        f"{before} to {after}; an ideal quality would take it to {ideal}, chance would not move "
        "it.\n"
    )


def _saving(curve: RejectCurve) -> str:
    return "nothing to save" if curve.saving is None else f"{curve.saving:.0%}"


def _rows(rows: Sequence[Row]) -> str:
    return table(("measure", "value"), rows)


def _limit(bar: Bar) -> str:
    return ("≥ " if bar.at_least else "≤ ") + _value(bar, bar.limit)


def _value(bar: Bar, value: float | None) -> str:
    if value is None:
        return "not measured"
    match bar.unit:
        case "%":
            return f"{value:.2%}"
        case "":
            return f"{value:.4f}".rstrip("0").ljust(4, "0")
        case unit:
            return f"{value:.1f} {unit}"


def _met(bar: Bar) -> str:
    return {True: "yes", False: "**no**", None: ""}[bar.met]
