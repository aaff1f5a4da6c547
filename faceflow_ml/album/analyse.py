"""From files to records: read, decode, detect, align, embed; each content once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np

from faceflow_ml.album.cache import FileStamp, ResultCache
from faceflow_ml.album.records import PhotoRecord
from faceflow_ml.album.render import missing_pictures, write_pictures
from faceflow_ml.dedup.hashing import grey_thumb, phash_of_thumb
from faceflow_ml.errors import ImageError
from faceflow_ml.inference.images import ImageLimits, Photo, load_photo
from faceflow_ml.inference.threads import one_opencv_thread
from faceflow_ml.inference.types import Detections, FaceResult, ImageArray

_CHUNK = 4  # photos that a worker takes at a time; their faces are embedded as one batch
_MAX_WORKERS = 8


class Detector(Protocol):
    """What the job asks of a detector; see ``FaceDetector``."""

    @property
    def contract_id(self) -> str: ...

    @property
    def score_threshold(self) -> float: ...


class Embedder(Protocol):
    """What the job asks of an embedder; see ``FaceEmbedder``."""

    @property
    def contract_id(self) -> str: ...

    @property
    def match_threshold(self) -> float | None: ...

    @property
    def norm_range(self) -> tuple[float, float] | None: ...


class FaceEngine(Protocol):
    """Finds faces and turns them into vectors: ``FacePipeline``, or a stand-in.

    ``run_batch`` is called from several threads at a time.
    """

    @property
    def detector(self) -> Detector: ...

    @property
    def embedder(self) -> Embedder: ...

    def run_batch(
        self, images: Sequence[ImageArray], *, score_threshold: float | None = None
    ) -> list[FaceResult]: ...


@dataclass(frozen=True)
class PhotoFile:
    """One file of the folder: the hash of its content, or why it could not be read.

    ``sha256`` is None when not even its bytes could be read. A file with a hash and an error was
    read but is no photo that can be decoded.
    """

    path: str
    sha256: str | None
    error: str | None


@dataclass(frozen=True, eq=False)
class _Read:
    """What a worker hands back about one file."""

    file: PhotoFile
    stamp: FileStamp | None = None
    record: PhotoRecord | None = None


def default_workers() -> int:
    """One worker a core that this process may use, up to eight."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    return min(cores, _MAX_WORKERS)


class Analyser:
    """Analyses the photos of one folder, through a cache, writing their pictures to ``out``.

    Workers decode, detect and embed a few photos at a time, each on its own core, so that no core
    waits for another. What they find goes to the cache at once: a run that is stopped at any
    moment loses a few photos' work at most.
    """

    def __init__(
        self,
        folder: Path,
        out: Path,
        engine: FaceEngine,
        cache: ResultCache,
        *,
        max_side: int,
        score_threshold: float,
        limits: ImageLimits | None = None,
    ) -> None:
        self._folder = folder
        self._out = out
        self._engine = engine
        self._cache = cache
        self._max_side = max_side
        self._score_threshold = score_threshold
        self._limits = limits or ImageLimits()
        self._hashes = cache.file_hashes()
        # Content that is done or that some worker has taken; guarded by the lock.
        self._claimed: set[str] = set()
        self._lock = Lock()
        self.computed = 0
        """How many photos were analysed, rather than found in the cache."""

    def run(
        self, paths: Sequence[str], *, workers: int, on_done: Callable[[int], None]
    ) -> list[PhotoFile]:
        """Analyse ``paths``; afterwards the cache has a record of every photo without error.

        on_done is called with the number of files done since its last call.
        """
        self._claimed = self._cache.known()
        found: dict[str, _Read] = {}
        for reads in self._parallel(paths, workers):
            for read in reads:
                found[read.file.path] = read
                if read.record is not None:
                    self._cache.put(read.record)
                    self.computed += 1
            self._remember(reads)
            on_done(len(reads))
        # Copies of a file that could not be decoded fail for the same reason.
        errors = {
            read.file.sha256: read.file.error
            for read in found.values()
            if read.file.sha256 is not None and read.file.error is not None
        }
        files = [found[path].file for path in paths]
        return [
            replace(file, error=errors[file.sha256]) if file.sha256 in errors else file
            for file in files
        ]

    def restore_pictures(self, file: PhotoFile, record: PhotoRecord) -> None:
        """Draw the pictures of a photo again if any is missing.

        Raises:
            ImageError: the photo can no longer be read.
        """
        if missing_pictures(self._out, record):
            try:
                data = self._read_bytes(file.path)
            except OSError as error:
                raise ImageError(error.strerror or str(error)) from error
            if hashlib.sha256(data).hexdigest() != record.sha256:
                raise ImageError("changed since it was analysed")
            write_pictures(self._out, record, self._load(data).pixels)

    def _parallel(self, paths: Sequence[str], workers: int) -> Iterator[list[_Read]]:
        chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
        pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="analyse")
        with one_opencv_thread():  # the workers fill the cores
            try:
                futures: list[Future[list[_Read]]] = [
                    pool.submit(self._analyse_chunk, chunk) for chunk in chunks
                ]
                for future in as_completed(futures):
                    yield future.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _analyse_chunk(self, paths: Sequence[str]) -> list[_Read]:
        reads: list[_Read] = []
        photos: list[tuple[int, Photo]] = []
        for path in paths:
            read, photo = self._read(path)
            if photo is not None:
                photos.append((len(reads), photo))
            reads.append(read)
        if photos:
            results = self._engine.run_batch(
                [photo.pixels for _, photo in photos], score_threshold=self._score_threshold
            )
            for (index, photo), result in zip(photos, results, strict=True):
                record = _record(reads[index], photo, result)
                write_pictures(self._out, record, photo.pixels)
                reads[index] = replace(reads[index], record=record)
        return reads

    def _read(self, path: str) -> tuple[_Read, Photo | None]:
        """The file's hash and, if this worker is to analyse its content, its pixels."""
        sha256 = stamp = None
        try:
            stamp = FileStamp.of((self._folder / path).stat())
            known_stamp, known_sha256 = self._hashes.get(self._key(path), (None, ""))
            if known_stamp == stamp and known_sha256 in self._claimed:
                return _Read(PhotoFile(path, known_sha256, None)), None
            data = self._read_bytes(path)
            sha256 = hashlib.sha256(data).hexdigest()
            with self._lock:
                if sha256 in self._claimed:
                    return _Read(PhotoFile(path, sha256, None), stamp), None
                self._claimed.add(sha256)
            photo = self._load(data)
        except ImageError as error:
            return _Read(PhotoFile(path, sha256, str(error)), stamp), None
        except OSError as error:
            return _Read(PhotoFile(path, None, error.strerror or str(error))), None
        return _Read(PhotoFile(path, sha256, None), stamp), photo

    def _read_bytes(self, path: str) -> bytes:
        limit = self._limits.max_bytes
        with (self._folder / path).open("rb") as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise ImageError(f"over the limit of {limit:,} bytes")
            return file.read(limit + 1)

    def _load(self, data: bytes) -> Photo:
        return load_photo(data, limits=self._limits, max_side=self._max_side)

    def _key(self, path: str) -> bytes:
        return os.fsencode(os.path.realpath(self._folder / path))

    def _remember(self, reads: Sequence[_Read]) -> None:
        self._cache.remember_files(
            {
                self._key(read.file.path): (read.stamp, read.file.sha256)
                for read in reads
                if read.stamp is not None and read.file.sha256 is not None
            }
        )


def _record(read: _Read, photo: Photo, result: FaceResult) -> PhotoRecord:
    sha256, stamp = read.file.sha256, read.stamp
    if sha256 is None or stamp is None:
        raise ValueError("expected a file that was read")
    scale = photo.width / photo.pixels.shape[1]
    faces = result.detections
    thumb = grey_thumb(photo.pixels)
    return PhotoRecord(
        sha256=sha256,
        width=photo.width,
        height=photo.height,
        format=photo.format,
        size_bytes=stamp.size,
        detections=Detections(faces.boxes * scale, faces.scores, faces.landmarks * scale),
        vectors=np.asarray(result.vectors, np.float32),
        quality=np.asarray(result.quality, np.float32),
        phash=phash_of_thumb(thumb),
        thumb=thumb,
    )
