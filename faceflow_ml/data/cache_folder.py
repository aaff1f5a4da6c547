"""Folders of decoded samples that are built once, whoever needs them first."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from faceflow_ml.errors import FaceFlowError

Cache = TypeVar("Cache")


def build_once(folder: Path, read: Callable[[Path], Cache], build: Callable[[Path], None]) -> Cache:
    """The cache in ``folder``, built first where it is missing or damaged.

    Processes that start together build it once: there is a lock beside it. It is built in another
    folder and renamed when complete, so that a killed build leaves nothing that looks like a
    cache; what it left is thrown away by the next one.

    Args:
        folder: of the cache.
        read: opens it; raises FaceFlowError where it is not complete.
        build: writes it into the empty folder that it is given.

    Raises:
        FaceFlowError: it cannot be written.
    """
    try:
        with _locked(_beside(folder, ".lock")):
            try:
                return read(folder)
            except FaceFlowError:
                _build(folder, build)
    except OSError as error:
        raise FaceFlowError(f"{folder}: cannot write the cache: {error}") from error
    return read(folder)


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    partial = _beside(folder, ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        build(partial)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _beside(folder: Path, ending: str) -> Path:
    return folder.with_name(folder.name + ending)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
