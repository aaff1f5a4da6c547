"""The main job: everyone in a folder of photos, found, grouped and shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faceflow_ml.album.analyse import Analyser, FaceEngine, PhotoFile, default_workers
from faceflow_ml.album.cache import ResultCache, settings_key
from faceflow_ml.album.duplicates import duplicate_entries
from faceflow_ml.album.gallery import write_gallery
from faceflow_ml.album.lock import folder_lock
from faceflow_ml.album.output import (
    check_space,
    prepare_output,
    remove_parts,
    remove_stale_pictures,
)
from faceflow_ml.album.records import ID_LENGTH, PhotoRecord
from faceflow_ml.album.render import crop_path, thumbnail_path
from faceflow_ml.album.scan import scan_folder
from faceflow_ml.album.schema import Groups, Models, read_groups, write_groups
from faceflow_ml.errors import FaceFlowError, ImageError
from faceflow_ml.files import atomic_write_text

OnProgress = Callable[[int, int], None]
"""Called with the photos done and the photos in all."""

OnNotice = Callable[[str], None]
"""Called with one line that a person may want to read."""

MAX_SIDE = 2560
"""Photos are analysed at this size at most: large enough for faces that are worth grouping."""


@dataclass(frozen=True)
class GroupOptions:
    """How to group.

    score_threshold: in [0, 1], the least score of a face; None for the detector's own.
    match_threshold: in [-1, 1], cosine similarity of two faces of one person; None for the
        embedder's own.
    max_side: pixels; larger photos are reduced to it before faces are looked for.
    workers: photos in work at a time; None for one a core.
    cache: folder of the cache; None for ``.cache`` in the output folder.
    """

    score_threshold: float | None = None
    match_threshold: float | None = None
    max_side: int = MAX_SIDE
    workers: int | None = None
    cache: Path | None = None

    def __post_init__(self) -> None:
        if self.score_threshold is not None and not 0 <= self.score_threshold <= 1:
            raise ValueError(f"expected score_threshold in [0, 1], got {self.score_threshold}")
        if self.match_threshold is not None and not -1 <= self.match_threshold <= 1:
            raise ValueError(f"expected match_threshold in [-1, 1], got {self.match_threshold}")
        if self.max_side < 1:
            raise ValueError(f"expected max_side >= 1, got {self.max_side}")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"expected workers >= 1, got {self.workers}")


@dataclass(frozen=True)
class GroupResult:
    """What a run did.

    groups: the content of ``groups.json``. computed: photos that were analysed in this run; the
    others came from the cache. skipped: paths that could not be looked into, and why.
    """

    groups: Groups
    groups_json: Path
    index_html: Path
    computed: int
    skipped: tuple[tuple[str, str], ...]


def group_album(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    engine: FaceEngine,
    options: GroupOptions | None = None,
    *,
    on_progress: OnProgress = lambda _done, _total: None,
    on_notice: OnNotice = lambda _line: None,
) -> GroupResult:
    """Find, group and show everyone in a folder of photos.

    Writes ``groups.json``, ``index.html``, ``crops/`` and ``thumbs/`` under ``out``. Results are
    kept in a cache by content and models: a second run computes nothing, an added photo costs one
    photo, and a run that was stopped at any moment goes on where it was. Photos that cannot be
    read are reported in the result. A folder without photos gives an empty result.

    engine: finds and embeds faces, from several threads at a time; usually a ``FacePipeline``
        with one thread a model, as the workers keep all cores busy.

    Raises:
        ConfigError: there is no such folder, or ``out`` cannot be an output folder.
        FaceFlowError: ``out`` or the cache cannot be written; the models fail.
        OSError: the disk is full or fails while the results are written.
    """
    folder, out = Path(folder), Path(out)
    options = options or GroupOptions()
    skipped: list[tuple[str, str]] = []
    if folder.is_dir():
        prepare_output(out, folder)
    paths = scan_folder(
        folder, skip=[out], on_unreadable=lambda path, why: skipped.append((path, why))
    )
    cache_folder = options.cache if options.cache is not None else out / ".cache"
    score_threshold = options.score_threshold
    if score_threshold is None:
        score_threshold = engine.detector.score_threshold
    match_threshold = options.match_threshold
    if match_threshold is None:
        match_threshold = engine.embedder.match_threshold
    norm_low, norm_high = engine.embedder.norm_range or (None, None)
    settings = settings_key(
        {
            "detector": engine.detector.contract_id,
            "embedder": engine.embedder.contract_id,
            "score_threshold": score_threshold,
            "norm_low": norm_low,
            "norm_high": norm_high,
            "max_side": options.max_side,
        }
    )
    waiting = f"Another run is writing to {out}; waiting for it to finish."
    with (
        folder_lock(out / ".cache" / "lock", on_wait=lambda: on_notice(waiting)),
        ResultCache(cache_folder / "faces.sqlite3", settings) as cache,
    ):
        remove_parts(out)
        check_space(out, max(0, len(paths) - len(cache.known())))
        analyser = Analyser(
            folder,
            out,
            engine,
            cache,
            max_side=options.max_side,
            score_threshold=score_threshold,
        )
        files, records = _analyse(
            analyser, cache, paths, options.workers or default_workers(), on_progress
        )
        # Bad input need not wait for the clustering libraries.
        from faceflow_ml.album.people import assign_people, people_entries, photo_entries

        previous = _previous(out, on_notice)
        assignment = assign_people(
            list(records.values()),
            previous,
            threshold=match_threshold,
            next_number=1 if previous is None else _read_number(out),
        )
        photos = photo_entries(files, records, assignment)
        groups = Groups(
            models=Models(
                detector=engine.detector.contract_id, embedder=engine.embedder.contract_id
            ),
            photos=photos,
            people=people_entries(photos, records, assignment),
            duplicates=duplicate_entries(files, records),
        )
        _draw_missing(analyser, files, records)
        write_groups(out / "groups.json", groups)
        atomic_write_text(_number_path(out), str(assignment.next_number))
        index = write_gallery(out, folder, groups, records, skipped=skipped)
        earlier = () if previous is None else previous.photos
        remove_stale_pictures(
            out / "crops",
            [crop_path(out, face) for record in records.values() for face in record.face_ids],
            [crop_path(out, face.face_id) for photo in earlier for face in photo.faces],
        )
        remove_stale_pictures(
            out / "thumbs",
            [thumbnail_path(out, record.photo_id) for record in records.values()],
            [thumbnail_path(out, photo.sha256[:ID_LENGTH]) for photo in earlier if photo.sha256],
        )
    return GroupResult(groups, out / "groups.json", index, analyser.computed, tuple(skipped))


def _analyse(
    analyser: Analyser, cache: ResultCache, paths: list[str], workers: int, on_progress: OnProgress
) -> tuple[list[PhotoFile], dict[str, PhotoRecord]]:
    # A record that turns out to be damaged is dropped by the cache, and the second round computes
    # it again.
    for _ in range(2):
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            on_progress(done, len(paths))

        files = analyser.run(paths, workers=workers, on_done=advance)
        wanted = dict.fromkeys(file.sha256 for file in files if file.sha256 and not file.error)
        found = {sha256: cache.get(sha256) for sha256 in wanted}
        records = {sha256: record for sha256, record in found.items() if record is not None}
        if len(records) == len(wanted):
            return files, records
    raise FaceFlowError("the cache loses what is stored in it; choose another folder for it")


def _number_path(out: Path) -> Path:
    return out / ".cache" / "next_person"


def _read_number(out: Path) -> int:
    """The number of the next new person, as the run before left it."""
    try:
        return max(1, int(_number_path(out).read_text()))
    except (OSError, ValueError):
        return 1


def _previous(out: Path, on_notice: OnNotice) -> Groups | None:
    try:
        return read_groups(out / "groups.json")
    except FileNotFoundError:
        return None
    except (FaceFlowError, OSError) as error:
        on_notice(f"The earlier result is left aside, and people are numbered anew: {error}")
        return None


def _draw_missing(
    analyser: Analyser, files: list[PhotoFile], records: dict[str, PhotoRecord]
) -> None:
    drawn: set[str] = set()
    for file in files:
        if file.sha256 in records and file.sha256 not in drawn:
            try:
                analyser.restore_pictures(file, records[file.sha256])
            except ImageError:
                continue  # the photo went away meanwhile; a copy of it may still be there
            drawn.add(file.sha256)
