"""The measurements of `bench scale` as a page of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from faceflow_ml.benchmark import mixture
from faceflow_ml.benchmark.markdown import table
from faceflow_ml.benchmark.scale import ClusterScale, Scale, growth
from faceflow_ml.benchmark.scale_worker import ASSIGNED, COPIES
from faceflow_ml.clustering.cells import PROBES, SIZE
from faceflow_ml.clustering.neighbors import EXACT
from faceflow_ml.clustering.sharded import FAN_IN, SMALLEST
from faceflow_ml.dedup.near import HASH_RADIUS

_MAX_LOSS = 0.01


def render_scale_page(scale: Scale) -> str:
    """The page, as it is kept in ``docs/benchmarks-scale.md``."""
    env, used = scale.environment, scale.embedder
    sections = [
        "# Scale\n",
        "Written by `faceflow-ml bench scale --out docs/benchmarks-scale.md`; do not edit.\n",
        table(
            ("", ""),
            [
                ("measured", scale.created),
                ("commit", env.commit or "not a git checkout"),
                ("processor", f"{env.cpu}, {env.cores} cores"),
                ("libraries", ", ".join(f"{k} {v}" for k, v in env.libraries.items())),
                *([("embedder (contract id)", f"`{used.contract_id}`")] if used else []),
            ],
        ),
        "## Grouping at once\n",
        f"`cluster_faces` on made-up vectors of {mixture.DIMENSIONS} dimensions with known people: "
        f"log-normal numbers of faces (median {mixture.MEDIAN_FACES:.0f}, long tail), "
        f"{mixture.STRANGERS:.0%} strangers seen once, faces nearer to and farther from their "
        "person, correlated dimensions. One threshold for all sizes, at a false accept rate of "
        f"about 1e-4. Up to {EXACT:,} vectors the search for neighbours is exact; beyond, a "
        f"vector is compared with the {PROBES} nearest of cells of about {SIZE} vectors. Memory "
        "is the peak of the process, with the vectors in it.\n",
        _clusters(scale.whole),
        _exponent("Time", scale.whole),
        *_real(scale),
        "## Grouping by shards\n",
        f"`cluster_sharded`: days put together to at least {SMALLEST:,} faces, grouped, then "
        f"merged {FAN_IN} at a time. The same vectors, on days with {mixture.DAYS_EACH:.0f} faces "
        f"on average; a person is seen on up to {mixture.PERSON_DAYS} days.\n",
        _clusters(scale.sharded),
        _exponent("Time", scale.sharded),
        *_losses(scale.whole, scale.sharded),
        "## One more face\n",
        f"`IncrementalAssigner` on one new face at a time, {ASSIGNED} of them; right: it got its "
        "person, or nobody where the person is new.\n",
        table(
            ("faces before", "groups", "p50 ms", "p99 ms", "right", "memory"),
            [
                (
                    f"{row.n:,}",
                    f"{row.groups:,}",
                    f"{row.p50_ms:.2f}",
                    f"{row.p99_ms:.2f}",
                    f"{row.right:.1%}",
                    _memory(row.peak_mib),
                )
                for row in scale.assigned
            ],
        ),
        "## Near-duplicates\n",
        f"All pairs of 64-bit hashes that differ in at most {HASH_RADIUS} bits, exactly; "
        f"{COPIES:.0%} of the hashes are of altered copies. Comparing all is quadratic, at "
        "billions of comparisons a second.\n",
        table(
            ("hashes", "seconds", "pairs", "copies found", "memory"),
            [
                (
                    f"{row.n:,}",
                    f"{row.seconds:.2f}",
                    f"{row.pairs:,}",
                    f"{row.recall:.1%}",
                    _memory(row.peak_mib),
                )
                for row in scale.hashes
            ],
        ),
    ]
    return "\n".join(sections)


def _clusters(rows: Sequence[ClusterScale]) -> str:
    return table(
        (
            *("vectors", "people", "groups", "seconds", "a vector, ms", "memory"),
            *("BCubed F", "precision", "recall"),
        ),
        [
            (
                f"{row.n:,}",
                f"{row.people:,}",
                f"{row.groups:,}",
                f"{row.seconds:.2f}",
                f"{1000 * row.seconds / row.n:.3f}",
                _memory(row.peak_mib),
                f"{row.bcubed_f1:.4f}",
                f"{row.precision:.4f}",
                f"{row.recall:.4f}",
            )
            for row in rows
        ],
    )


def _exponent(what: str, rows: Sequence[ClusterScale]) -> str:
    found = growth([row.n for row in rows], [row.seconds for row in rows])
    if found is None:
        return "One size shows no growth.\n"
    return f"{what} grows as n to the power of {found:.2f}, fitted over these sizes.\n"


def _real(scale: Scale) -> list[str]:
    if scale.real is None:
        return []
    return ["Real faces, of people that were not trained on:\n", _clusters([scale.real])]


def _losses(whole: Sequence[ClusterScale], sharded: Sequence[ClusterScale]) -> list[str]:
    rows = []
    for one, parts in zip(whole, sharded, strict=True):
        loss = one.bcubed_f1 - parts.bcubed_f1
        verdict = "yes" if loss <= _MAX_LOSS else "**no**"
        rows.append((f"{one.n:,}", f"{-loss:+.4f}", f"≥ -{_MAX_LOSS}", verdict))
    return [table(("vectors", "BCubed F, shards less whole", "bar", "met"), rows)]


def _memory(mib: float | None) -> str:
    return "not measured" if mib is None else f"{mib:,.0f} MiB"
