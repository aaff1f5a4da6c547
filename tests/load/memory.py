"""The application's memory over an hour of use: ``python -m tests.load.memory --out
docs/benchmarks-memory.md``, or `make bench-memory`.

Unlike the times of `tests.load.bench`, memory does not care what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

from faceflow_ml.files import atomic_write_text
from tests.load import crowd, ingest, sizes
from tests.load.crowd import Crowded
from tests.load.pages import origin, verdict

_PARTS = 12
_WIDTH = 720
_PHOTOS = 100_000
_PEOPLE = 500


def main() -> None:
    """Measure and write; exit status 1 if memory grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="document to write; without one, stdout")
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--photos", type=int, default=_PHOTOS, help="of the album they look at")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="faceflow-bench-") as folder:
        work = Path(folder)
        ingest.render(work / "photos", 200, _WIDTH)
        album = sizes.fill(work / "album", options.photos, min(_PEOPLE, options.photos // 20))
        crowded = crowd.measure(
            work / "album",
            album.album_id,
            work / "photos",
            users=options.users,
            minutes=options.minutes,
            work=work,
        )
    document = report(crowded, options.photos, busy)
    if options.out is None:
        sys.stdout.write(document)
    else:
        atomic_write_text(options.out, document)
    if not crowded.flat:
        raise SystemExit(1)


def report(crowded: Crowded, photos: int, busy: float) -> str:
    """The document; ``busy``: the machine's load before."""
    memory = np.array(crowded.memory)
    uploads = sum(one.count for one in crowded.requests if one.name == "upload")
    edges = np.linspace(0, len(memory), min(_PARTS, len(memory)) + 1).astype(int)
    everything = crowded.requests[-1]
    lines = [
        "# The application's memory, measured",
        "",
        origin("make bench-memory", busy),
        "",
        f"{crowded.users} visitors, each looking at something else every 4 to 12 seconds, and one "
        f"who uploads a photo every other second and has them processed, for {crowded.minutes:g} "
        f"minutes, in an album of {photos:,} photos: {everything.count:,} requests, "
        f"{everything.failures} of them failed, {uploads:,} photos uploaded. One process is API "
        "and worker.",
        "",
        *(f"- failed: {one}" for one in crowded.failed),
        *([""] if crowded.failed else []),
        "| minutes | MiB, median | MiB, at most |",
        "|---|---:|---:|",
    ]
    for start, end in pairwise(edges):
        part = memory[start:end]
        first, last = part[0, 0] / 60, part[-1, 0] / 60
        lines.append(
            f"| {first:.0f}-{last:.0f} | {np.median(part[:, 1]):.0f} | {part[:, 1].max():.0f} |"
        )
    lines += [
        "",
        f"From the second quarter to the last {crowded.growth:+.1%}; wanted: at most 5%: "
        f"{verdict(crowded.flat)}.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
