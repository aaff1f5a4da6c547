"""Measures the application on this machine and writes ``docs/benchmarks-app.md``.

``python -m tests.load.bench --out docs/benchmarks-app.md``, or `make bench-app`: an hour and some
minutes; ``--minutes 1.5`` lets the crowd leave earlier.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faceflow_ml.files import atomic_write_text
from tests.load import crowd, ingest, sizes
from tests.load.crowd import Crowded
from tests.load.ingest import Ingested
from tests.load.pages import origin, request_table, verdict
from tests.load.sizes import Sized

_WIDTH = 720


@dataclass(frozen=True)
class Bar:
    """Something that is wanted, and whether it is so."""

    what: str
    wanted: str
    measured: str
    met: bool


def main() -> None:
    """Measure and write; exit status 1 if a bar is missed."""
    options = _options()
    started = time.perf_counter()
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="faceflow-bench-") as folder:
        work = Path(folder)
        _say(started, f"rendering {options.photos} photos")
        files = ingest.render(work / "photos", options.photos, _WIDTH)
        _say(started, "taking them in")
        (work / "ingest").mkdir()
        taken = ingest.measure(work / "photos", files, _WIDTH, work / "ingest")
        measured = []
        for photos in options.sizes:
            _say(started, f"an album of {photos:,} photos")
            data = work / f"album-{photos}"
            album = sizes.fill(data, photos, _people(photos))
            measured.append(sizes.measure(album, data))
        _say(started, f"{options.users} visitors for {options.minutes:g} minutes")
        crowded = crowd.measure(
            work / f"album-{options.sizes[-1]}",
            measured[-1].album.album_id,
            work / "photos",
            users=options.users,
            minutes=options.minutes,
            work=work,
        )
    bars = _bars(taken, measured[-1], crowded)
    document = report(taken, measured, crowded, bars, busy)
    if options.out is None:
        sys.stdout.write(document)
    else:
        atomic_write_text(options.out, document)
    _say(started, "done")
    for bar in bars:
        sys.stderr.write(f"{'met   ' if bar.met else 'MISSED'} {bar.what}: {bar.measured}\n")
    if not all(bar.met for bar in bars):
        raise SystemExit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="document to write; without one, stdout")
    parser.add_argument("--photos", type=int, default=1000, help="that are taken in")
    parser.add_argument(
        "--sizes",
        type=lambda text: sorted(int(size) for size in text.split(",")),
        default=[1_000, 10_000, 100_000],
        help="photos of the seeded albums; the crowd visits the largest",
    )
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60.0, help="for which the crowd stays")
    return parser.parse_args()


def _people(photos: int) -> int:
    """500 in the largest album, and fewer in smaller ones."""
    return max(40, min(500, photos // 100))


def _say(started: float, text: str) -> None:
    sys.stderr.write(f"{time.perf_counter() - started:6.0f} s  {text}\n")
    sys.stderr.flush()


def _bars(taken: Ingested, largest: Sized, crowded: Crowded) -> list[Bar]:
    spreads = largest.spreads
    page = max(spreads[name].p95 for name in ("page of 200 photos", "page of 500 people"))
    edit = max(spreads[name].p95 for name in ("name a person, see it", "merge two, see it"))
    everything = crowded.requests[-1]
    return [
        Bar(
            f"{taken.photos} photos of {taken.width} px, end to end",
            "at least 70% of the rate of `faceflow-ml group`",
            f"{taken.ratio:.0%}",
            taken.ratio >= ingest.WANTED,
        ),
        Bar(
            f"album pages at {largest.album.photos:,} photos and {largest.album.people} people",
            "p95 at most 100 ms",
            f"{page:.0f} ms",
            page <= 100.0,
        ),
        Bar(
            "a name or a merge is seen, there", "at most 200 ms", f"p95 {edit:.0f} ms", edit <= 200
        ),
        Bar(
            f"{crowded.users} visitors while one uploads, there",
            "p99 at most 500 ms, no errors",
            f"{everything.p99:.0f} ms, {everything.failures} errors in {everything.count:,}",
            everything.p99 <= 500.0 and everything.failures == 0,
        ),
        Bar(
            f"memory over {crowded.minutes:g} minutes of that",
            "flat: at most 5% more in the last quarter than in the second",
            f"{crowded.growth:+.1%}",
            crowded.flat,
        ),
    ]


def report(
    taken: Ingested,
    measured: Sequence[Sized],
    crowded: Crowded,
    bars: Sequence[Bar],
    busy: float,
) -> str:
    """The document; ``busy``: the machine's load before."""
    names = list(measured[0].spreads)
    heads = " | ".join(f"{one.album.photos:,} photos" for one in measured)
    rule = "|---|" + "---:|" * len(measured)
    lines = [
        "# The application, measured",
        "",
        origin("make bench-app", busy),
        "",
        "| | wanted | measured | |",
        "|---|---|---:|---|",
        *(f"| {bar.what} | {bar.wanted} | {bar.measured} | {verdict(bar.met)} |" for bar in bars),
        "",
        "## Ingestion",
        "",
        f"{taken.photos} photos of fictional people, {taken.counts['faces']} faces, uploaded over "
        "HTTP by four connections while they are processed, until everyone is grouped; against "
        "the whole command on the same folder. Client and application share the processors.",
        "",
        "| | photos/s | seconds |",
        "|---|---:|---:|",
        f"| `faceflow-ml group` | {taken.photos / taken.group:.1f} | {taken.group:.1f} |",
        f"| upload and ingestion | {taken.photos / taken.end_to_end:.1f} |"
        f" {taken.end_to_end:.1f} |",
        "",
        f"The application used {taken.cpu:.1f} processor seconds and {taken.peak_mib:.0f} MiB at "
        "most.",
        "",
        "## Cost against size",
        "",
        "One client, one request after the other; median and, in brackets, 95th percentile in "
        "milliseconds. What is corrected is read again, in the whole list of people, until the "
        "change is there.",
        "",
        f"| | {heads} |",
        rule,
        _row("faces", [f"{one.album.faces:,}" for one in measured]),
        _row("people", [f"{one.album.people:,}" for one in measured]),
        *(
            _row(
                name,
                [
                    f"{one.spreads[name].median:.0f} ({one.spreads[name].p95:.0f})"
                    for one in measured
                ],
            )
            for name in names
        ),
        _row("first look of a new process", [f"{one.first:.0f}" for one in measured]),
        _row("memory afterwards, MiB", [f"{one.rss_mib:.0f}" for one in measured]),
        _row("writing a run that groups them all, s", [f"{one.album.run:.1f}" for one in measured]),
        "",
        "## A crowd",
        "",
        f"{crowded.users} visitors, each looking at something else every 4 to 12 seconds, and one "
        f"who uploads a photo every other second and has them processed, for "
        f"{crowded.minutes:g} minutes, in the album of {measured[-1].album.photos:,} photos: "
        f"{crowded.per_second:.0f} requests a second, by Locust, which runs on the same "
        f"processors. The application kept {crowded.cores:.2f} of them busy.",
        "",
        *request_table(crowded.requests),
        *(f"\n- failed: {one}" for one in crowded.failed),
        "",
        f"Memory of the application, median: {crowded.early_mib:.0f} MiB in the second quarter, "
        f"{crowded.late_mib:.0f} MiB in the last.",
        "",
    ]
    return "\n".join(lines)


def _row(name: str, values: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(values)} |"


if __name__ == "__main__":
    main()
