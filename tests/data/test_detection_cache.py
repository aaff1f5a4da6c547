"""The decoded photos are the photos, and half a build is no cache."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceflow_ml.data.detection_cache import DetectionCache, open_detection_cache
from faceflow_ml.data.records import DetectionSample
from faceflow_ml.errors import FaceFlowError, ImageError


def make_samples(n: int = 5) -> list[DetectionSample]:
    rng = np.random.default_rng(0)
    samples = []
    for i in range(n):
        height, width = 20 + i, 30 - i
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        samples.append(
            DetectionSample(
                image=cv2.imencode(".png", image[..., ::-1])[1].tobytes(),
                boxes=rng.uniform(0, 10, (i, 4)).astype(np.float32),
                landmarks=rng.uniform(0, 10, (i, 5, 2)).astype(np.float32),
                ignore=rng.random(i) < 0.5,
                name=f"{i}.png",
                width=width,
                height=height,
            )
        )
    return samples


def check(cache: DetectionCache, samples: list[DetectionSample]) -> None:
    assert len(cache) == len(samples)
    assert cache.names == [sample.name for sample in samples]
    for photo, sample in zip(cache, samples, strict=True):
        np.testing.assert_array_equal(photo.image, sample.decode())
        np.testing.assert_array_equal(photo.faces.boxes, sample.boxes)
        np.testing.assert_array_equal(photo.faces.landmarks, sample.landmarks)
        np.testing.assert_array_equal(photo.faces.ignore, sample.ignore)


def test_cache_holds_the_photos_and_is_not_built_twice(tmp_path: Path) -> None:
    samples = make_samples()
    cache = open_detection_cache(samples, tmp_path)
    check(cache, samples)
    written = (cache.folder / "images.bin").stat().st_mtime_ns
    check(open_detection_cache(samples, tmp_path), samples)
    assert (cache.folder / "images.bin").stat().st_mtime_ns == written
    np.testing.assert_array_equal(cache[-1].image, cache[4].image)
    with pytest.raises(IndexError):
        cache[5]
    with pytest.raises(ValueError, match="read-only"):
        cache[0].image[0, 0] = 0


def test_other_samples_or_another_size_are_another_cache(tmp_path: Path) -> None:
    samples = make_samples()
    folders = {
        open_detection_cache(samples, tmp_path).folder,
        open_detection_cache(samples[::-1], tmp_path).folder,
        open_detection_cache(samples[:4], tmp_path).folder,
        open_detection_cache(samples, tmp_path, max_side=12).folder,
    }
    assert len(folders) == 4
    small = open_detection_cache(samples, tmp_path, max_side=12)
    assert small[0].image.shape == (8, 12, 3)
    np.testing.assert_allclose(small[1].faces.boxes, samples[1].boxes * 12 / 29, rtol=0.05)


def test_a_build_that_dies_leaves_nothing_and_the_next_one_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = make_samples()
    decode, calls = DetectionSample.decode, []

    def killed(sample: DetectionSample) -> np.ndarray:
        calls.append(sample.name)
        if sample.name == "3.png":
            raise KeyboardInterrupt
        return decode(sample)

    monkeypatch.setattr(DetectionSample, "decode", killed)
    with pytest.raises(KeyboardInterrupt):
        open_detection_cache(samples, tmp_path, threads=1)
    assert "0.png" in calls
    assert [p for p in tmp_path.iterdir() if p.suffix != ".lock"] == []
    monkeypatch.undo()
    check(open_detection_cache(samples, tmp_path), samples)


@pytest.mark.parametrize(
    "damage", ["truncated", "no index", "bad index", "empty index", "leftover"]
)
def test_a_damaged_cache_is_rebuilt(tmp_path: Path, damage: str) -> None:
    samples = make_samples()
    folder = open_detection_cache(samples, tmp_path).folder
    if damage == "truncated":
        with (folder / "images.bin").open("r+b") as stream:
            stream.truncate(1000)
    elif damage == "no index":
        (folder / "index.npz").unlink()
    elif damage == "bad index":
        (folder / "index.npz").write_bytes((folder / "index.npz").read_bytes()[:100])
    elif damage == "empty index":
        (folder / "index.npz").write_bytes(b"")
    else:  # what a killed process cannot clean up
        folder.rename(folder.with_suffix(".partial"))
        (folder.with_suffix(".partial") / "images.bin").write_bytes(b"x")
    if damage != "leftover":
        with pytest.raises(FaceFlowError, match=r"no complete photo cache|expected"):
            DetectionCache(folder)
    check(open_detection_cache(samples, tmp_path), samples)
    assert not folder.with_suffix(".partial").exists()


def test_workers_get_the_map_and_not_its_content(tmp_path: Path) -> None:
    samples = make_samples()
    data = pickle.dumps(open_detection_cache(samples, tmp_path))
    assert len(data) < 500
    check(pickle.loads(data), samples)


def test_errors_name_the_photo(tmp_path: Path) -> None:
    good = make_samples(1)[0]
    arrays = (good.boxes, good.landmarks, good.ignore)
    with pytest.raises(ImageError, match=r"broken\.png"):
        open_detection_cache(
            [DetectionSample(b"not an image", *arrays, "broken.png", 9, 9)], tmp_path
        )
    with pytest.raises(ImageError, match=r"small\.png: annotated as 99x99 but the image is 30x20"):
        open_detection_cache([DetectionSample(good.image, *arrays, "small.png", 99, 99)], tmp_path)
    with pytest.raises(FaceFlowError, match="no photos"):
        open_detection_cache([], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FaceFlowError, match="cannot write"):
        open_detection_cache([good], tmp_path / "file" / "below")
