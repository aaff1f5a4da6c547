"""The job: every photo of a folder through the pipeline, once, whatever interrupts it."""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Event, Lock

import cv2

from faceflow_ml.album.scan import scan_folder
from faceflow_ml.errors import FaceFlowError, ImageError
from faceflow_ml.files import atomic_write_text, unpack_archive
from faceflow_ml.inference.images import ImageLimits, load_photo
from faceflow_ml.inference.pipeline import FacePipeline
from serving.device import resolve_device
from serving.logs import configure_logs
from serving.processing.results import Models, Results, photo_id
from serving.processing.share import share
from serving.sagemaker import Host, read_host
from serving.settings import cores

TERMINATED = 143
_LOG_SECONDS = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What to process.

    input: folder of photos. output: folder of results, see `results`.
    previous: output of an earlier job that was interrupted; may be missing.
    config: folder of SageMaker's ``resourceconfig.json`` and ``processingjobconfig.json``.
    detector, embedder: as for ``from_pretrained``; a folder may also hold a ``model.tar.gz``.
    workers: photos at a time; None for the cores.
    max_side: pixels; larger photos are looked at in this size. None: in their own.
    """

    input: Path
    output: Path
    previous: Path
    config: Path
    detector: str | None = None
    embedder: str | None = None
    workers: int | None = None
    max_side: int | None = None


@dataclass(frozen=True)
class Entry:
    """One photo of the report: its number of faces, or why it could not be read."""

    key: str
    photo_id: str | None = None
    sha256: str | None = None
    faces: int | None = None
    error: str | None = None


@dataclass
class Counts:
    """Of this run. resumed: finished by an earlier one. copies: same content as another photo."""

    photos: int = 0
    faces: int = 0
    failed: int = 0
    computed: int = 0
    resumed: int = 0
    copies: int = 0


@dataclass
class Progress:
    """What the workers have done so far."""

    counts: Counts = field(default_factory=Counts)
    entries: dict[str, Entry] = field(default_factory=dict)
    claimed: dict[str, str] = field(default_factory=dict)
    """Content to the key of the photo that is worked on for it."""
    lock: Lock = field(default_factory=Lock)


def run(job: Job) -> int:
    """Process this machine's share of the photos; returns the exit code.

    0 when all were looked at, those that cannot be read included: they are entries of the report,
    ``report-HOST.json``. 143 after SIGTERM, when the photos in work were finished and the rest was
    left to the next run.

    Raises:
        ConfigError: there is no input folder, or the configuration is not SageMaker's.
        FaceFlowError: a model cannot be loaded, or the output cannot be written.
    """
    configure_logs()
    cv2.setNumThreads(1)  # the workers fill the cores
    host = read_host(job.config / "resourceconfig.json")
    progress = Progress()

    def unreadable(key: str, reason: str) -> None:
        progress.entries[key] = Entry(key, error=reason)

    keys = scan_folder(job.input, skip=[job.output, job.previous], on_unreadable=unreadable)
    mine = share(keys, job.input, host, job.config / "processingjobconfig.json")
    with _stoppable() as stop, _unpacked(job) as (detector, embedder):
        engine = FacePipeline.from_pretrained(
            detector=detector, embedder=embedder, threads=1, device=resolve_device("auto")
        )
        models = Models(engine.detector.contract_id, engine.embedder.contract_id)
        results = Results(job.output, job.previous, models)
        try:
            results.remove_parts()
            worker = _Worker(job, engine, results, progress)
            _process(mine, worker, job.workers, stop)
            complete = not stop.is_set()
            report = _report(progress, mine, host, models, complete)
            atomic_write_text(job.output / f"report-{host.name}.json", report)
        except OSError as error:
            raise FaceFlowError(f"cannot write the results: {error}") from error
    _log.info("photos processed", extra={**asdict(progress.counts), "complete": complete})
    return 0 if complete else TERMINATED


class _Worker:
    def __init__(
        self, job: Job, engine: FacePipeline, results: Results, progress: Progress
    ) -> None:
        self._folder = job.input
        self._max_side = job.max_side
        self._engine = engine
        self._results = results
        self._progress = progress

    def __call__(self, key: str) -> None:
        """Process one photo.

        Raises:
            OSError: its results cannot be written.
        """
        try:
            data = _read(self._folder / key)
        except ImageError as error:
            self._note(Entry(key, error=str(error)), "failed")
            return
        sha256 = hashlib.sha256(data).hexdigest()
        entry = Entry(key, photo_id(sha256), sha256)
        with self._progress.lock:
            if sha256 in self._progress.claimed:
                self._progress.entries[key] = entry  # completed by `_report`
                self._progress.counts.copies += 1
                return
            self._progress.claimed[sha256] = key
        faces = self._results.finished(sha256)
        if faces is not None:
            self._note(replace(entry, faces=faces), "resumed")
            return
        try:
            photo = load_photo(data, max_side=self._max_side)
        except ImageError as error:
            self._note(replace(entry, error=str(error)), "failed")
            return
        result = self._engine.run(photo.pixels)
        self._results.write(sha256, photo, result)
        self._note(replace(entry, faces=len(result)), "computed")

    def _note(self, entry: Entry, outcome: str) -> None:
        with self._progress.lock:
            self._progress.entries[entry.key] = entry
            counts = self._progress.counts
            setattr(counts, outcome, getattr(counts, outcome) + 1)


def _process(
    keys: Sequence[str], work: Callable[[str], None], workers: int | None, stop: Event
) -> None:
    def unless_stopped(key: str) -> None:
        if not stop.is_set():
            work(key)

    logged = time.monotonic()
    with ThreadPoolExecutor(workers or cores(), thread_name_prefix="photos") as pool:
        futures = [pool.submit(unless_stopped, key) for key in keys]
        try:
            for number, future in enumerate(futures, start=1):
                future.result()
                if time.monotonic() - logged >= _LOG_SECONDS:
                    logged = time.monotonic()
                    _log.info("progress", extra={"done": number, "of": len(keys)})
        finally:
            pool.shutdown(cancel_futures=True)


def _report(
    progress: Progress, mine: Sequence[str], host: Host, models: Models, complete: bool
) -> str:
    """The report as JSON; also completes the counts and the entries of copies."""
    entries = progress.entries
    for key, entry in entries.items():
        if entry.sha256 is not None and entry.faces is None and entry.error is None:
            first = entries[progress.claimed[entry.sha256]]
            entries[key] = replace(entry, faces=first.faces, error=first.error)
    counts = progress.counts
    counts.photos = len(entries)
    counts.failed = sum(entry.error is not None for entry in entries.values())
    counts.faces = sum(entry.faces or 0 for entry in entries.values())
    document = {
        "version": 1,
        "host": host.name,
        "hosts": list(host.hosts),
        "complete": complete,
        "models": asdict(models),
        "counts": asdict(counts),
        "left": len(set(mine) - set(entries)),
        "photos": [asdict(entries[key]) for key in sorted(entries)],
    }
    return json.dumps(document, indent=1) + "\n"


def _read(file: Path) -> bytes:
    limit = ImageLimits().max_bytes
    try:
        with file.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise ImageError(f"over the limit of {limit:,} bytes")
    return data


@contextmanager
def _stoppable() -> Iterator[Event]:
    """An event that SIGTERM sets, as a stopped job or an ending spot machine sends it."""
    stop = Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _unpacked(job: Job) -> Iterator[tuple[str | None, str | None]]:
    """References to the models; archives, as training leaves them, are unpacked for the block."""
    with tempfile.TemporaryDirectory(prefix="faceflow-models-") as work:
        found: list[str | None] = []
        for name, reference in (("detector", job.detector), ("embedder", job.embedder)):
            archive = Path(reference) / "model.tar.gz" if reference is not None else None
            if archive is None or not archive.is_file():
                found.append(reference)
                continue
            unpack_archive(archive, Path(work) / name)
            found.append(str(Path(work) / name))
        yield found[0], found[1]
