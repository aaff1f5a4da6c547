"""``model.tar.gz`` as SageMaker has it, packed the same way every time."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterable
from pathlib import Path

from faceflow_ml.files import atomic_path, unpack_archive

MODEL_ARCHIVE = "model.tar.gz"


def pack(folder: Path, target: Path, names: Iterable[str] | None = None) -> None:
    """Pack files below a folder, all by default, into ``target`` in one step.

    Equal files give equal bytes: order, owners and times are fixed.
    """
    chosen = (
        [folder / name for name in names]
        if names is not None
        else [path for path in folder.rglob("*") if path.is_file()]
    )
    with (
        atomic_path(target) as temporary,
        temporary.open("wb") as raw,
        # The file's name would be in gzip's header, and the temporary one is random.
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for path in sorted(chosen):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = path.stat().st_size
            entry.mode = 0o644
            with path.open("rb") as stream:
                archive.addfile(entry, stream)


def unpack_model(folder: Path, target: Path) -> Path | None:
    """Unpack a folder's ``model.tar.gz`` into ``target`` and return that; None without any.

    Raises:
        FaceFlowError: it is no archive, or damaged.
    """
    archive = folder / MODEL_ARCHIVE
    if not archive.is_file():
        return None
    unpack_archive(archive, target)
    return target
