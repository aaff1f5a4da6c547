"""Shards, the real ones and broken ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceflow_ml.data.parquet import read_detection_shards, read_identity_shards, shard_files
from faceflow_ml.errors import FaceFlowError

NAN = float("nan")
ROW: dict[str, Any] = {
    "image": b"...",
    "name": "a",
    "width": 100,
    "height": 50,
    "boxes": [[10.0, 10.0, 30.0, 30.0], [-5.0, 20.0, 20.0, 60.0], [100.5, 0.0, 120.0, 20.0]],
    "landmarks": [[float(i) for i in range(10)], [NAN] * 10, [NAN] * 10],
    "kind": ["human", "ignore", "auto"],
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_kinds_nan_and_clipping(tmp_path: Path) -> None:
    file = write(
        tmp_path / "train.parquet",
        [ROW, {**ROW, "name": "b", "boxes": [], "landmarks": [], "kind": []}],
    )
    first, second = read_detection_shards(file)
    assert first.ignore.tolist() == [False, True]
    np.testing.assert_array_equal(first.boxes, [[10, 10, 30, 30], [0, 20, 20, 50]])
    np.testing.assert_array_equal(first.landmarks[0].ravel(), np.arange(10))
    assert np.isnan(first.landmarks[1]).all()
    assert second.boxes.shape == (0, 4)
    assert second.landmarks.shape == (0, 5, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": ["human", "ignore"]}, "row 0: boxes has 3 entries for 2 kinds"),
        ({"kind": ["human", "maybe", "auto"]}, "row 0: kind 'maybe' is none of"),
        ({"boxes": [[1.0, 2.0, 3.0]] * 3}, "row 0: boxes must be a list of 4 numbers"),
        ({"landmarks": [[1.0] * 8] * 3}, "row 0: landmarks must be a list of 10 numbers"),
        ({"boxes": [[1.0, 2.0, NAN, 4.0]] * 3}, "row 0: a box is not finite"),
        ({"image": None}, "row 0: image is null"),
        ({"image": {"bytes": b""}}, "row 0: image must be the bytes"),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    file = write(tmp_path / "train.parquet", [{**ROW, **change}])
    with pytest.raises(FaceFlowError, match=rf"train\.parquet {message}"):
        read_detection_shards(file)


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    rows = [{key: value for key, value in ROW.items() if key not in ("kind", "width")}]
    file = write(tmp_path / "train.parquet", rows)
    with pytest.raises(
        FaceFlowError, match=r"train\.parquet: column width, kind is missing; it has image, name"
    ):
        read_detection_shards(file)


def test_what_is_no_shard(tmp_path: Path) -> None:
    with pytest.raises(FaceFlowError, match="no Parquet shards of split 'train'"):
        read_detection_shards(tmp_path, "train")
    with pytest.raises(FaceFlowError, match="no such shard"):
        read_detection_shards(tmp_path / "train.parquet")
    (tmp_path / "train.parquet").write_bytes(b"PAR1 no, not really")
    with pytest.raises(FaceFlowError, match="not a readable Parquet file"):
        read_detection_shards(tmp_path, "train")


def test_shards_of_a_split(tmp_path: Path) -> None:
    for name in ("train-000-of-002", "train-001-of-002", "val", "train_old", "train-extra"):
        write(tmp_path / f"{name}.parquet", [ROW])
    names = [file.name for file in shard_files(tmp_path, "train")]
    assert names == ["train-000-of-002.parquet", "train-001-of-002.parquet"]
    assert len(shard_files(tmp_path)) == 5
    (tmp_path / "train-000-of-002.parquet").unlink()
    with pytest.raises(FaceFlowError, match=r"of the 2 shards of 'train', \[0\] are missing"):
        shard_files(tmp_path, "train")
    # Named one by one, a part of a set is what was asked for.
    assert len(shard_files([tmp_path / "train-001-of-002.parquet"])) == 1


def test_identities(tmp_path: Path) -> None:
    row = {"image": b"..", "identity": "s/1", "source": "s", "name": "x"}
    (sample,) = read_identity_shards(write(tmp_path / "val.parquet", [row]))
    assert (sample.identity, sample.source, sample.name) == ("s/1", "s", "x")
    assert sample.det_score == 0
    assert np.isnan(sample.eye_px)
    scored = write(tmp_path / "val.parquet", [{**row, "det_score": 0.5, "eye_px": 40.0}])
    (sample,) = read_identity_shards(scored)
    assert (sample.det_score, sample.eye_px) == (0.5, 40.0)


def test_the_real_detection_shards(shared_data: Path) -> None:
    samples = read_detection_shards(shared_data / "detection", "val")
    assert len(samples) == 900
    boxes = np.concatenate([sample.boxes for sample in samples])
    ignore = np.concatenate([sample.ignore for sample in samples])
    assert len(boxes) == 1709 + 325 + 697
    assert ignore.sum() == 697
    for sample in samples[:20]:
        assert sample.decode().shape == (sample.height, sample.width, 3)
        assert (sample.boxes[:, 2:] <= (sample.width, sample.height)).all()


def test_the_real_identity_shards(shared_data: Path) -> None:
    samples = read_identity_shards(shared_data / "identities", "val")
    assert len(samples) == 2195
    assert len({sample.identity for sample in samples}) == 100
    assert samples[0].decode().shape == (112, 112, 3)
