"""The archive that is measured is looked at, and the page says what is wrong with it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.load.archive import Archived, _picture, check, measure, report


def test_a_small_one_has_no_fault(tmp_path: Path) -> None:
    archived = measure(tmp_path, 12)
    assert archived.faults == ()
    assert (archived.photos, archived.size) == (12, (tmp_path / "archive.zip").stat().st_size)
    assert "all 12 in it, whole, none with its place | no fault | 0 faults | met |" in report(
        archived, 0.1
    )


def test_faults_are_found(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", _picture())
        archive.writestr("SHA256SUMS", "0" * 64 + "  a.jpg\n")
        archive.writestr("manifest.json", "{}")
    assert check(path, 2, "0" * 64) == [
        "its sum",
        "1 photos instead of 2",
        "a.jpg differs from its checksum",
        "a.jpg says where it was taken",
    ]


def test_what_grows_is_missed() -> None:
    archived = Archived(12, 2**30, 10.0, 1.0, 300.0, 400.0, ())
    assert not archived.bounded
    assert "| +100 MiB, 400 at most | **missed** |" in report(archived, 0.1)
