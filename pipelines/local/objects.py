"""A folder that stands for S3: ``s3://bucket/key`` is ``root/bucket/key``, ``file:///x`` itself."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from faceflow_ml.data.fingerprint import fingerprint_files
from faceflow_ml.errors import FaceFlowError


@dataclass(frozen=True)
class LocalStore:
    """Objects below a folder."""

    root: Path

    def path(self, uri: str) -> Path:
        """Where an object or prefix lies.

        Raises:
            FaceFlowError: it is neither a plain S3 URI nor ``file:///`` with an absolute path.
        """
        if uri.startswith("file:///"):
            return Path(uri.removeprefix("file://"))
        parts = PurePosixPath(uri.removeprefix("s3://")).parts
        if not uri.startswith("s3://") or not parts or ".." in parts or uri.startswith("s3:///"):
            raise FaceFlowError(f"not an S3 URI: {uri}")
        return self.root.joinpath(*parts)

    def exists(self, uri: str) -> bool:
        """Whether there is an object, or any below that prefix."""
        path = self.path(uri)
        return path.is_file() or (path.is_dir() and any(p.is_file() for p in path.rglob("*")))

    def fingerprint(self, uri: str) -> str:
        """SHA-256 over names and contents of what is there; FaceFlowError if nothing is."""
        self._require(uri)
        return fingerprint_files([self.path(uri)])

    def read_text(self, uri: str) -> str:
        """An object's text; FaceFlowError if there is none."""
        path = self.path(uri)
        if not path.is_file():
            raise FaceFlowError(f"there is no object {uri}")
        return path.read_text(encoding="utf-8")

    def download(self, uri: str, folder: Path) -> None:
        """Copy an object, or all below a prefix, into a folder, as SageMaker does before a job.

        Raises:
            FaceFlowError: nothing is there.
        """
        self._require(uri)
        path = self.path(uri)
        folder.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
        else:
            shutil.copytree(path, folder, dirs_exist_ok=True)

    def upload(self, source: Path, uri: str) -> None:
        """Put a file, or a folder's files, at a URI, in place of what is there."""
        target = self.path(uri)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Whoever reads meanwhile, or after a kill, sees a whole copy or none.
        work = Path(tempfile.mkdtemp(prefix=".upload-", dir=target.parent))
        try:
            copy = work / "new"
            if source.is_dir():
                shutil.copytree(source, copy)
            else:
                shutil.copyfile(source, copy)
            if target.is_dir():
                target.rename(work / "old")
            copy.replace(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _require(self, uri: str) -> None:
        if not self.exists(uri):
            raise FaceFlowError(f"no object under {uri} ({self.path(uri)})")
