"""``index.html``: a gallery in one file that works from disk, offline, on any screen.

File names come from outside and are only ever data: they travel as JSON and the page's script
sets them as text. A content security policy allows the page's own script (by hash) and local
images, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from urllib.parse import quote

from faceflow_ml import __version__
from faceflow_ml.album.duplicates import copies_of
from faceflow_ml.album.records import PhotoRecord
from faceflow_ml.album.render import browser_shows, thumbnail_path
from faceflow_ml.album.schema import Box, Groups, Person, Photo
from faceflow_ml.files import atomic_write_text


def write_gallery(
    out: Path,
    folder: Path,
    groups: Groups,
    records: Mapping[str, PhotoRecord],
    *,
    skipped: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write ``out/index.html`` for ``groups`` and return its path.

    folder: where the photos are; the page links to them by relative path, so that both may move
        together.
    records: by the SHA-256 of every photo that was read.
    skipped: paths that could not be looked into, and why.
    """
    page = render_page(page_data(out, folder, groups, records, skipped=skipped))
    target = out / "index.html"
    atomic_write_text(target, page)
    return target


def page_data(
    out: Path,
    folder: Path,
    groups: Groups,
    records: Mapping[str, PhotoRecord],
    *,
    skipped: Sequence[tuple[str, str]] = (),
) -> dict[str, object]:
    """Everything the page shows; the script in ``assets/gallery.js`` reads these names."""
    readable = [photo for photo in groups.photos if photo.sha256 in records and not photo.error]
    index_of = {photo.path: index for index, photo in enumerate(readable)}
    copies = copies_of(groups.photos, groups.duplicates)
    people = _by_photos_shown(groups.people, [p for p in readable if p.path not in copies])
    person_index = {person.id: index for index, person in enumerate(people)}
    copy_count = Counter(copies.values())
    base = _base_url(out, folder)

    def photo_entry(photo: Photo) -> dict[str, object]:
        record = records[photo.sha256 or ""]
        original = base + _quote(photo.path)
        full = original if browser_shows(record) else None
        thumbnail = thumbnail_path(out, record.photo_id)
        small = f"thumbs/{thumbnail.name}" if thumbnail.exists() else original
        return {
            "path": _visible(photo.path),
            "original": original,
            "full": full,
            "src": small,
            "w": record.width,
            "h": record.height,
            "copy": photo.path in copies,
            "copies": copy_count[photo.path],
            "faces": [
                {
                    "id": face.face_id,
                    "box": _percent(face.box, record.width, record.height),
                    "person": None if face.person is None else person_index[face.person],
                }
                for face in photo.faces
            ],
        }

    return {
        "title": f"People in {_visible(folder.resolve().name or str(folder))}",
        "photos": [photo_entry(photo) for photo in readable],
        "people": [
            {"id": person.id, "label": person.label, "cover": person.cover} for person in people
        ],
        "duplicates": [
            {
                "keep": index_of[group.keep],
                "drop": [index_of[path] for path in group.drop],
                "kind": group.kind,
            }
            for group in groups.duplicates
            if all(path in index_of for path in (group.keep, *group.drop))
        ],
        "problems": [
            {"path": _visible(path), "reason": reason}
            for path, reason in [
                *((photo.path, photo.error) for photo in groups.photos if photo.error),
                *skipped,
            ]
        ],
    }


def _by_photos_shown(people: Sequence[Person], shown: Sequence[Photo]) -> list[Person]:
    """``people``, whom most of the photos ``shown`` have first: the numbers that the page tells."""
    photos = Counter(person for photo in shown for person in {face.person for face in photo.faces})
    return sorted(people, key=lambda person: (-photos[person.id], person.id))


def render_page(data: Mapping[str, object]) -> str:
    """The page as HTML text, with ``data`` as ``page_data`` gives it."""
    script = _asset("gallery.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src 'self' file: data:; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'"
    )
    values = {
        "CSP": html.escape(policy, quote=True),
        "VERSION": html.escape(__version__),
        "TITLE": html.escape(str(data["title"])),
        "CSS": _asset("gallery.css"),
        "DATA": _script_safe_json(data),
        "JS": script,
    }
    # One pass over the template: nothing that is filled in is looked at for place-holders.
    parts = _asset("gallery.html").split("@@")
    return "".join(values[part] if i % 2 else part for i, part in enumerate(parts))


def _asset(name: str) -> str:
    return resources.files("faceflow_ml.album").joinpath("assets", name).read_text("utf-8")


def _script_safe_json(data: Mapping[str, object]) -> str:
    """JSON that cannot end the script element it stands in, nor start a comment there."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _visible(name: str) -> str:
    """A file name as text that UTF-8 can hold: bytes that are no text become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")


def _quote(path: str) -> str:
    return quote(os.fsencode(path), safe="/")


def _base_url(out: Path, folder: Path) -> str:
    """The URL of ``folder`` as seen from ``out``, with a trailing slash."""
    source, target = folder.resolve(), out.resolve()
    try:
        relative = Path(os.path.relpath(source, target)).as_posix()
    except ValueError:  # on another drive
        return source.as_uri() + "/"
    return _quote(relative) + "/"


def _percent(box: Box, width: int, height: int) -> list[float]:
    """Left, top, width and height in percent of the photo, cut at its borders."""
    x1, x2 = (min(max(x / width, 0.0), 1.0) for x in (box[0], box[2]))
    y1, y2 = (min(max(y / height, 0.0), 1.0) for y in (box[1], box[3]))
    return [round(100 * value, 2) for value in (x1, y1, x2 - x1, y2 - y1)]
