"""The folder that the job writes: checked before the work, tidied after it."""

from __future__ import annotations

import errno
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from faceflow_ml.album.render import PICTURE_FOLDERS, is_own_picture
from faceflow_ml.album.scan import RESULT_MARKER
from faceflow_ml.errors import ConfigError, FaceFlowError
from faceflow_ml.files import PART_PREFIX

# A low guess, so that no run that would fit is refused: the crops and the cache of one photo.
_BYTES_A_PHOTO = 30_000
_BYTES_FOR_ALL = 1_000_000

_PART = re.compile(re.escape(PART_PREFIX) + r"[a-z0-9_]{8}(\.\w+)?")


def prepare_output(out: Path, folder: Path) -> None:
    """Make ``out``, mark it as a result, and see that it can be written.

    Raises:
        ConfigError: ``out`` is a file, or the folder of photos itself, or the photos are where
            pictures of faces are to be written.
        FaceFlowError: ``out`` cannot be made or written, or its disk is full.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"the output {out} is a file, not a folder")
    if out.exists() and folder.exists() and out.samefile(folder):
        raise ConfigError(
            f"the output {out} is the folder of photos itself; choose another, inside it or not"
        )
    for name in PICTURE_FOLDERS:
        if folder.resolve().is_relative_to((out / name).resolve()):
            raise ConfigError(
                f"the photos are in {out / name}, where the result goes; choose another output"
            )
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / RESULT_MARKER).touch()
        (out / "crops").mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
        raise FaceFlowError(f"cannot write to the output folder {out}: {reason}") from error
    check_space(out)


def check_space(out: Path, new_photos: int = 0) -> None:
    """See that the disk of ``out`` has room for the results of so many photos.

    Raises:
        FaceFlowError: it has not.
    """
    needed = _BYTES_FOR_ALL + new_photos * _BYTES_A_PHOTO
    free = shutil.disk_usage(out).free
    if free < needed:
        raise FaceFlowError(
            f"the disk of {out} has {free / 1e6:.1f} MB free; "
            f"the results need about {needed / 1e6:.1f} MB"
        )


def remove_parts(out: Path) -> None:
    """Remove what a killed run left half-written; nobody else may be writing."""
    for folder in (out, *(out / name for name in PICTURE_FOLDERS)):
        if folder.is_dir():
            for path in folder.iterdir():
                if _PART.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                    path.unlink(missing_ok=True)


def remove_stale_pictures(folder: Path, keep: Iterable[Path], earlier: Iterable[Path] = ()) -> None:
    """Remove the pictures in ``folder`` that this job wrote earlier and no longer wants.

    earlier: those of the result before, which older versions wrote without a signature.
    """
    wanted = {path.name for path in keep}
    known = {path.name for path in earlier}
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name in wanted or not path.is_file():
                continue
            if path.name in known or is_own_picture(path):
                path.unlink(missing_ok=True)
