"""The ablations as a page of Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy import stats

from faceflow_ml.benchmark.markdown import table
from faceflow_ml.evaluation.reports import Environment
from faceflow_ml.evaluation.run_detection import DetectorMetrics
from faceflow_ml.training.ablations.plan import BASE
from faceflow_ml.training.ablations.run import Ablations
from faceflow_ml.training.ablations.trial import TrialResult

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Measure:
    """What variants are compared by; None where a detector has no value."""

    name: str
    of: Callable[[DetectorMetrics], float | None]


MEASURES = (
    Measure("AP at IoU 0.5", lambda m: m.average_precision),
    Measure("recall, 1 false positive an image", lambda m: m.recall_at_1_fp_per_image),
    Measure("recall, 0.1", lambda m: m.recall_at_0_1_fp_per_image),
    Measure("landmark error", lambda m: m.landmark_error_median),
)


def least_difference(base: Sequence[float], count: int) -> float | None:
    """How far the mean of ``count`` trainings must lie from that of the base to say anything.

    Half the width of the two-sided 95% interval of Student's t for the difference of two means,
    with the spread of the base over seeds as that of both. None with fewer than two of the base.

    >>> round(least_difference([0.50, 0.52, 0.54], 1), 3)
    0.099
    """
    if len(base) < 2:
        return None
    quantile = float(stats.t.ppf((1 + _CONFIDENCE) / 2, len(base) - 1))
    return quantile * stdev(base) * math.sqrt(1 / len(base) + 1 / count)


def render_ablations(ablations: Ablations) -> str:
    """The page, as it is kept in ``docs/ablations.md``."""
    plan = ablations.plan
    by_variant = {
        name: [r for r in ablations.results if r.variant == name] for name in (BASE, *plan.variants)
    }
    sections = [
        "# Ablations of the detector\n",
        f"Written by `faceflow-ml bench ablations {ablations.file} --out docs/ablations.md`; "
        "do not edit.\n",
        table(("", ""), _circumstances(ablations)),
        _how(ablations),
        "## Variants\n",
        table(
            ("variant", "seeds", *(measure.name for measure in MEASURES)),
            [_row(name, results, by_variant[BASE]) for name, results in by_variant.items()],
        ),
        _noise(by_variant),
        "## What each asks\n",
        "\n".join(
            f"- **{name}** ({', '.join(f'`{word}`' for word in variant.overrides)}): "
            f"{variant.asks.strip()}"
            for name, variant in plan.variants.items()
        )
        + "\n",
        "## Size\n",
        _architectures(ablations.results),
        *_unfinished(ablations),
    ]
    return "\n".join(sections)


def _how(ablations: Ablations) -> str:
    data = ablations.base.data
    steps = _unique([str(result.steps) for result in ablations.results])
    return (
        f"Every variant changes one thing of `{ablations.plan.base}` and is trained from scratch: "
        f"{steps} steps of {data.batch_size} crops of {data.size} px. That is a small part of what "
        "the shipped detector had: it tells what helps early, not where each would end. The "
        "weights measured are the last, averaged where averaging is on. The detector is measured "
        "alone, in PyTorch and without refiner and aligner, on photos fitted into "
        f"{data.val_size} px that no training saw and no checkpoint was chosen by.\n"
    )


def _circumstances(ablations: Ablations) -> list[tuple[str, str]]:
    results = ablations.results
    commits = _unique([r.environment.commit or "not a git checkout" for r in results])
    machines = _unique([_machine(r.environment) for r in results])
    photos = f"{ablations.photos}"
    if ablations.photos < ablations.photos_held:
        photos += f" of {ablations.photos_held}, drawn at random"
    faces = _unique([f"{r.metrics.faces} faces" for r in results])
    train = ablations.train
    return [
        ("written", ablations.created),
        ("measured at commit", commits),
        ("base", f"`{ablations.plan.base}`, seeds {', '.join(map(str, ablations.plan.seeds))}"),
        ("training photos", "fictional" if train is None else _data(train.name, train.fingerprint)),
        (
            "measured on",
            f"{_data(ablations.measured.name, ablations.measured.fingerprint)}: {photos}; {faces}",
        ),
        ("hardware", machines),
        ("threads of training", str(ablations.base.run.threads or "the machine's own choice")),
        ("MLflow", "not tracked" if ablations.mlflow_run is None else f"`{ablations.mlflow_run}`"),
    ]


def _row(name: str, results: Sequence[TrialResult], base: Sequence[TrialResult]) -> list[str]:
    return [name, str(len(results)), *(_cell(measure, results, base) for measure in MEASURES)]


def _cell(measure: Measure, results: Sequence[TrialResult], base: Sequence[TrialResult]) -> str:
    """Mean and, of a variant, the difference to the base; bold where it is more than noise."""
    values, of_base = _values(measure, results), _values(measure, base)
    if not values:
        return "none"
    mean = f"{fmean(values):.3f}"
    if results is base:
        return f"{mean} ± {stdev(values):.3f}" if len(values) > 1 else mean
    if not of_base:
        return mean
    difference = fmean(values) - fmean(of_base)
    least = least_difference(of_base, len(values))
    told = f"{difference:+.3f}"
    return (
        f"{mean} (**{told}**)"
        if least is not None and abs(difference) > least
        else (f"{mean} ({told})")
    )


def _noise(by_variant: dict[str, list[TrialResult]]) -> str:
    base = by_variant[BASE]
    counts = sorted({len(r) for name, r in by_variant.items() if name != BASE and r})
    if len(base) < 2 or not counts:
        return (
            "In brackets: the difference to the base. Fewer than two seeds of the base are done: "
            "nothing tells yet which differences mean anything.\n"
        )
    limits = "; ".join(
        f"with {count} seed{'s' if count > 1 else ''} "
        + ", ".join(
            f"{least:.3f} ({measure.name})"
            for measure in MEASURES
            if (least := least_difference(_values(measure, base), count)) is not None
        )
        for count in counts
    )
    return (
        "Means over seeds; ± is the standard deviation of the base over its seeds, in brackets the "
        "difference to the base. Landmark error is in eye distances, and smaller is better. A "
        f"difference is bold where it exceeds the 95% limit (Student's t over {len(base)} seeds of "
        f"the base, whose spread stands for that of all): {limits}. All others may be chance; of "
        "twenty differences without a cause, one is bold.\n"
    )


def _architectures(results: Sequence[TrialResult]) -> str:
    sizes = {result.architecture: result.parameters for result in results}
    rows = [(name, f"{parameters:,}") for name, parameters in sizes.items()]
    return table(("architecture", "parameters"), rows)


def _unfinished(ablations: Ablations) -> list[str]:
    if not (ablations.failures or ablations.missing):
        return []
    lines = [f"- {failure.trial}: failed: {failure.reason}" for failure in ablations.failures]
    lines += [f"- {name}: not trained yet" for name in ablations.missing]
    return ["## Without a result\n", "\n".join(lines) + "\n"]


def _values(measure: Measure, results: Sequence[TrialResult]) -> list[float]:
    found = [measure.of(result.metrics) for result in results]
    return [value for value in found if value is not None]


def _machine(env: Environment) -> str:
    return f"{env.cpu}, {env.cores} cores; Python {env.python}, {env.system}"


def _data(name: str, fingerprint: str) -> str:
    return f"{name} (`{fingerprint[:16]}`)"


def _unique(texts: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(texts)) or "nothing yet"
