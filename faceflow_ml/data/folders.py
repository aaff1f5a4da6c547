"""Reader for one folder a person: ``ROOT/Ada Lovelace/0001.jpg``."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path

from faceflow_ml.data.records import IdentitySample
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.inference.images import IMAGE_SUFFIXES


def read_identity_folders(
    root: str | PathLike[str], *, source: str | None = None
) -> list[IdentitySample]:
    """Faces of every person, whose name is the folder's.

    Photos may lie in folders below the person's. Hidden files and files that are no images by
    their suffix are passed over; links to folders are not followed.

    Args:
        root: the folder of people.
        source: name of the set; None takes the name of ``root``.

    Returns:
        Samples sorted by person and path; identities are ``<source>/<person>``.

    Raises:
        FaceFlowError: ``root`` is no folder, images lie in it that belong to nobody, or there are
            no images below it.
    """
    root = Path(root)
    if not root.is_dir():
        raise FaceFlowError(f"{root}: no such folder")
    source = source or root.resolve().name
    samples: list[IdentitySample] = []
    for entry in sorted(root.iterdir()):
        if entry.name.startswith("."):
            continue
        if _is_image(entry):
            raise FaceFlowError(f"{entry}: belongs to nobody; put it in a folder of a person")
        if entry.is_dir():
            samples += [
                IdentitySample(
                    image=path,
                    identity=f"{source}/{entry.name}",
                    source=source,
                    name=path.relative_to(root).as_posix(),
                )
                for path in _images_below(entry)
            ]
    if not samples:
        raise FaceFlowError(f"{root}: no images in folders of people")
    return samples


def _images_below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(parent, name) for name in files if not name.startswith(".")]
        found += [path for path in paths if _is_image(path)]
    return sorted(found)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
