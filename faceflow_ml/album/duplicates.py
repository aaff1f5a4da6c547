"""Duplicates among the photos of an album."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from faceflow_ml.album.analyse import PhotoFile
from faceflow_ml.album.records import PhotoRecord
from faceflow_ml.album.schema import Duplicates, Photo
from faceflow_ml.dedup.duplicates import find_duplicates
from faceflow_ml.dedup.items import DedupItem


def duplicate_entries(
    files: Sequence[PhotoFile], records: Mapping[str, PhotoRecord]
) -> tuple[Duplicates, ...]:
    """Groups of photos that show the same, among those that could be read."""
    items = []
    for file in files:
        record = records.get(file.sha256) if file.sha256 and file.error is None else None
        if record is not None:
            items.append(
                DedupItem(
                    path=file.path,
                    sha256=record.sha256,
                    phash=record.phash,
                    thumb=record.thumb,
                    width=record.width,
                    height=record.height,
                    size_bytes=record.size_bytes,
                    faces=len(record.detections),
                )
            )
    return tuple(
        Duplicates(keep=group.keep, drop=group.drop, kind=group.kind)
        for group in find_duplicates(items)
    )


def copies_of(photos: Sequence[Photo], duplicates: Sequence[Duplicates]) -> dict[str, str]:
    """For each photo that has the same bytes as another: the one that stands for it.

    That is the one to keep, or the first where none of them is kept.
    """
    kept = {group.keep for group in duplicates}
    standing: dict[str, str] = {}
    for photo in sorted(photos, key=lambda photo: photo.path not in kept):
        if photo.sha256 is not None and photo.error is None:
            standing.setdefault(photo.sha256, photo.path)
    return {
        photo.path: standing[photo.sha256]
        for photo in photos
        if photo.sha256 in standing and standing[photo.sha256] != photo.path
    }
