"""Atomic writes of files and folders: a reader sees the old content or the new, never a part.

Also archives, which come from elsewhere and are unpacked with care.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faceflow_ml.errors import ConfigError, FaceFlowError

PART_PREFIX = ".faceflow-part-"
"""How the names of files begin that are being written, or that a killed process left so."""


@contextmanager
def atomic_path(target: str | os.PathLike[str], *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``target`` that replaces it when the block succeeds.

    The parent folder is created. The temporary name keeps the target's suffix, since many
    writers choose their format by it. If the block raises, the target is untouched and the
    temporary file is removed.

    Args:
        target: what to write.
        durable: it is on the disk when the block ends. False is for many files that can be made
            again and are told from whole ones when they are empty: a power failure, though no
            kill, may leave them so.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=PART_PREFIX, suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes 0600; results are for everyone
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write_bytes(
    target: str | os.PathLike[str], data: bytes, *, durable: bool = True
) -> None:
    """Replace ``target`` with ``data`` in one step; ``durable`` as in `atomic_path`."""
    with atomic_path(target, durable=durable) as temporary:
        temporary.write_bytes(data)


def atomic_write_text(target: str | os.PathLike[str], text: str) -> None:
    """Replace ``target`` with UTF-8 ``text`` in one step."""
    atomic_write_bytes(target, text.encode("utf-8"))


@contextmanager
def atomic_folder(target: str | os.PathLike[str], marker: str) -> Iterator[Path]:
    """Yield a temporary folder beside ``target`` that takes its place when the block succeeds.

    The block must leave a file called ``marker`` in it: an earlier folder is replaced only if it
    has one too, so that nobody's own files are lost. If the block raises, the target is untouched.
    No rename replaces a folder that has files in it, so that a reader may find none for a moment;
    killed just then, a process leaves the earlier folder beside it, as ``.NAME-...-old``.

    Raises:
        ConfigError: ``target`` is a file, or holds something without a ``marker``.
    """
    target = Path(os.path.abspath(target))
    if target.exists() and not target.is_dir():
        raise ConfigError(f"{target} is a file, not a folder")
    if target.is_dir() and any(target.iterdir()) and not (target / marker).is_file():
        raise ConfigError(f"{target} holds something else (no {marker}); it is not replaced")
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    old = work.with_name(f"{work.name}-old")
    try:
        yield work
        if not (work / marker).is_file():
            raise FileNotFoundError(f"{marker} was not written")
        work.chmod(0o755)
        if target.exists():
            target.rename(old)
        work.rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def unpack_archive(
    archive: str | os.PathLike[str], folder: str | os.PathLike[str], max_bytes: int = 32 * 2**30
) -> None:
    """Unpack a tar file, compressed or not, into a folder; nothing lands outside it.

    Raises:
        FaceFlowError: it is missing, no archive, damaged, holds a path that leads out of the
            folder or something else than files and folders, or would become larger than
            ``max_bytes``; the file that is too much is not written.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive) as opened:
            _extract(opened, Path(folder).resolve(), max_bytes)
    # What is damaged inside the compression is no error of tarfile's.
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise FaceFlowError(f"{archive}: cannot be unpacked: {error}") from error


def _extract(archive: tarfile.TarFile, folder: Path, max_bytes: int) -> None:
    """Write the files of an archive; tarfile's own filters are not in every Python 3.11."""
    total = 0
    for member in archive:
        total += member.size  # by its header: a few bytes can be compressed from very many
        if total > max_bytes:
            raise tarfile.ReadError(f"it would become larger than {max_bytes:,} bytes")
        target = (folder / member.name).resolve()
        if not target.is_relative_to(folder):
            raise tarfile.ReadError(f"{member.name!r} leads out of the folder")
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        content = archive.extractfile(member) if member.isfile() else None
        if content is None:
            raise tarfile.ReadError(f"{member.name!r} is no file and no folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as stream:
            shutil.copyfileobj(content, stream)
