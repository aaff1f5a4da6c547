"""The benchmark as a page of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from faceflow_ml.benchmark.bars import Bar
from faceflow_ml.benchmark.fairness import fairness_sections
from faceflow_ml.benchmark.markdown import table
from faceflow_ml.benchmark.peer_page import peer_sections
from faceflow_ml.benchmark.run import Benchmark
from faceflow_ml.benchmark.timing import Timing
from faceflow_ml.evaluation.summary import (
    Row,
    album_rows,
    detector_rows,
    identity_rows,
    pair_rows,
)

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
