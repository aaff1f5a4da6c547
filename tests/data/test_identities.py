"""The face cache, its dataset, and the mixing-in of fictional people."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from faceflow_ml.data.face_transforms import FaceTransform
from faceflow_ml.data.identities import (
    FaceDataset,
    IdentityCache,
    build_identity_cache,
)
from faceflow_ml.data.identity_sources import read_identities
from faceflow_ml.data.parquet import read_detection_shards
from faceflow_ml.data.records import IdentitySample
from faceflow_ml.data.synthetic_shards import synthetic_photo_shard
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.inference.aligner import FaceAligner


def _samples(people: int = 3, faces: int = 4, size: int = 112) -> list[IdentitySample]:
    rng = np.random.default_rng(0)
    samples = []
    for person in range(people):
        for face in range(faces):
            pixels = rng.integers(0, 256, (size, size, 3), np.uint8)
            data = cv2.imencode(".png", pixels)[1].tobytes()
            samples.append(IdentitySample(data, f"p{person}", "test", f"{person}-{face}"))
    return samples


def test_cache_holds_the_decoded_faces(tmp_path: Path) -> None:
    samples = _samples()
    cache = build_identity_cache(samples, tmp_path)
    assert cache.names == ["p0", "p1", "p2"]
    assert cache.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    np.testing.assert_array_equal(cache.images[5], samples[5].decode())


def test_cache_is_built_once_and_again_for_other_faces(tmp_path: Path) -> None:
    first = build_identity_cache(_samples(), tmp_path)
    stamp = (first.folder / "images.npy").stat().st_mtime_ns
    again = build_identity_cache(_samples(), tmp_path)
    assert (again.folder / "images.npy").stat().st_mtime_ns == stamp
    assert build_identity_cache(_samples(people=2), tmp_path).folder != first.folder


def test_faces_of_another_size_are_resized(tmp_path: Path) -> None:
    cache = build_identity_cache(_samples(size=150), tmp_path)
    assert cache.images.shape == (12, 112, 112, 3)


@pytest.fixture(scope="module")
def fictional(tmp_path_factory: pytest.TempPathFactory) -> list[IdentitySample]:
    return read_identities(
        None, "train", synthetic_people=4, synthetic_faces=2, cache=tmp_path_factory.mktemp("faces")
    )


def test_faces_placed_by_an_aligner_are_another_cache(
    fictional: list[IdentitySample], tmp_path: Path
) -> None:
    aligner = FaceAligner.from_pretrained()
    plain = build_identity_cache(fictional, tmp_path)
    placed = build_identity_cache(fictional, tmp_path, aligner)
    assert placed.folder != plain.folder and aligner.contract_id in placed.fingerprint
    assert (placed.labels == plain.labels).all()
    expected = aligner.place(fictional[3].decode()[None])[0]
    np.testing.assert_array_equal(placed.images[3], expected)
    assert (placed.images != plain.images).any()


@pytest.mark.parametrize(("jitter", "least", "most"), [(0.0, 0.0, 0.01), (1.0, 1.0, 6.0)])
def test_jitter_is_how_far_faces_are_moved(jitter: float, least: float, most: float) -> None:
    face = np.full((112, 112, 3), 40, np.uint8)
    face[50:62, 50:62] = 200  # in the middle: mirroring leaves it there
    transform = FaceTransform(112, augment=True, jitter=jitter)

    def centre(image: np.ndarray) -> np.ndarray:
        bright = image.astype(float).sum(axis=2)
        return np.argwhere(bright > (bright.min() + bright.max()) / 2).mean(axis=0)

    moved = [
        np.linalg.norm(centre(transform([face], seed)[0]) - centre(face)) for seed in range(60)
    ]
    assert least <= np.median(moved) <= most


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short"])
def test_damaged_cache_is_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    cache = build_identity_cache(_samples(), tmp_path)
    (cache.folder / "index.npz").write_bytes(content)
    with pytest.raises(FaceFlowError, match="no complete face cache"):
        IdentityCache(cache.folder)
    assert len(build_identity_cache(_samples(), tmp_path)) == 12


def test_no_faces_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FaceFlowError, match="no faces"):
        build_identity_cache([], tmp_path)


def test_batches_depend_on_seed_epoch_and_place_alone(tmp_path: Path) -> None:
    cache = build_identity_cache(_samples(), tmp_path)
    dataset = FaceDataset(cache, FaceTransform(64, augment=True), seed=1)
    images, labels = dataset.__getitems__([(2, 5), (2, 0)])
    dataset.__getitems__([(0, 1)])
    again, _ = dataset.__getitems__([(2, 5), (2, 0)])
    assert images.shape == (2, 3, 64, 64) and labels.tolist() == [1, 0]
    assert (images == again).all()
    other, _ = dataset.__getitems__([(3, 5), (3, 0)])
    assert (images != other).any()


def test_fictional_people_join_real_ones(tmp_path: Path) -> None:
    root = tmp_path / "people/Ada"
    root.mkdir(parents=True)
    for i, sample in enumerate(_samples(people=1)):
        assert isinstance(sample.image, bytes)
        (root / f"{i}.png").write_bytes(sample.image)
    samples = read_identities(
        tmp_path / "people", "train", synthetic_people=2, synthetic_faces=3, cache=tmp_path
    )
    names = {sample.identity for sample in samples}
    assert len(samples) == 4 + 6 and len(names) == 3
    assert sum(name.startswith("synthetic/") for name in names) == 2
    assert samples[-1].decode().shape == (112, 112, 3)


def test_synthetic_photos_are_kept_and_read_like_real_ones(tmp_path: Path) -> None:
    shard = synthetic_photo_shard(3, 5, tmp_path)
    stamp = shard.stat().st_mtime_ns
    assert synthetic_photo_shard(3, 5, tmp_path).stat().st_mtime_ns == stamp
    photos = read_detection_shards(shard)
    assert len(photos) == 3
    for photo in photos:
        assert photo.decode().shape == (photo.height, photo.width, 3)
        assert np.isfinite(photo.landmarks).all()
