"""Finding the photos in a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection
from pathlib import Path

from faceflow_ml.album.render import PICTURE_FOLDERS
from faceflow_ml.errors import ConfigError
from faceflow_ml.inference.images import IMAGE_SUFFIXES

RESULT_MARKER = ".faceflow-result"
"""A file in the output folder of the job, written before anything else there."""

OnUnreadable = Callable[[str, str], None]
"""Called with the relative path of what could not be looked into, and why."""


def scan_folder(
    folder: str | os.PathLike[str],
    *,
    skip: Collection[str | os.PathLike[str]] = (),
    on_unreadable: OnUnreadable | None = None,
) -> list[str]:
    """The image files under ``folder``, as sorted relative POSIX paths.

    A file counts by its suffix, in any case. Hidden files and folders, the folders in ``skip``
    and the pictures of an earlier result, finished or not, are passed over. Links to folders are
    followed, each folder is read once, and a link to a photo that is listed anyway is not listed
    again: it would look like a copy that one may delete. A broken link is listed, so that it is
    reported.

    Raises:
        ConfigError: ``folder`` does not exist or is not a folder.
        PermissionError: ``folder`` itself cannot be read.
    """
    root = Path(folder)
    if not root.exists():
        raise ConfigError(f"there is no folder {root}")
    if not root.is_dir():
        raise ConfigError(f"{root} is not a folder")
    os.scandir(root).close()
    walk = _Walk(root, {_identity(Path(p)) for p in skip if Path(p).exists()}, on_unreadable)
    walk.run()
    return sorted(walk.photos())


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


class _Walk:
    def __init__(
        self, root: Path, skip: set[tuple[int, int]], on_unreadable: OnUnreadable | None
    ) -> None:
        self._root = root
        self._seen = skip
        self._report = on_unreadable or (lambda _path, _reason: None)
        self._files: dict[str, tuple[int, int]] = {}
        self._links: dict[str, tuple[int, int] | None] = {}
        self._folders = [""]
        self._linked_folders: list[str] = []

    def run(self) -> None:
        # Links come after everything real, so that a photo goes by its real path where it has
        # one, whatever the names.
        while self._folders or self._linked_folders:
            self._folder(self._folders.pop() if self._folders else self._linked_folders.pop(0))

    def photos(self) -> list[str]:
        listed = set(self._files.values())
        found = list(self._files)
        for path in sorted(self._links):
            target = self._links[path]
            if target is None or target not in listed:
                found.append(path)
                if target is not None:
                    listed.add(target)
        return found

    def _folder(self, relative: str) -> None:
        path = self._root / relative
        try:
            identity = _identity(path)
            if identity in self._seen:
                return
            self._seen.add(identity)
            with os.scandir(path) as entries:
                children = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._report(relative or ".", error.strerror or str(error))
            return
        names = {child.name for child in children}
        is_result = RESULT_MARKER in names or {"groups.json", "index.html", "crops"} <= names
        passed_over = PICTURE_FOLDERS if is_result else ()
        for child in children:
            if not child.name.startswith(".") and child.name not in passed_over:
                self._entry(f"{relative}/{child.name}" if relative else child.name, child)

    def _entry(self, relative: str, entry: os.DirEntry[str]) -> None:
        is_photo = Path(entry.name).suffix.lower() in IMAGE_SUFFIXES
        try:
            if entry.is_dir(follow_symlinks=False):
                self._folders.append(relative)
            elif entry.is_symlink() and entry.is_dir():
                self._linked_folders.append(relative)
            elif is_photo:
                status = entry.stat()
                if not stat.S_ISREG(status.st_mode):  # opening a pipe or a device may never end
                    self._report(relative, "not a regular file")
                    return
                known = self._links if entry.is_symlink() else self._files
                known[relative] = (status.st_dev, status.st_ino)
        except OSError as error:
            if is_photo and entry.is_symlink():
                self._links[relative] = None
            else:
                self._report(relative, error.strerror or str(error))
