"""Albums of coloured discs, and an engine that finds them: simple, but it really looks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceflow_ml.inference.types import Detections, FaceResult

HUES = {"ann": 0, "bob": 60, "cem": 120, "dot": 30, "eve": 90, "fay": 150}  # OpenCV hue, 0..179


@dataclass(frozen=True)
class ToyDetector:
    contract_id: str = "d" * 16
    score_threshold: float = 0.5


@dataclass(frozen=True)
class ToyEmbedder:
    contract_id: str = "e" * 16
    match_threshold: float | None = 0.5
    norm_range: tuple[float, float] | None = None


@dataclass
class DiscEngine:
    """Every saturated disc is a face; its hue is the person."""

    detector: ToyDetector = field(default_factory=ToyDetector)
    embedder: ToyEmbedder = field(default_factory=ToyEmbedder)
    on_batch: Callable[[], None] = lambda: None
    seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run_batch(self, images: Sequence[np.ndarray], *, score_threshold=None):
        self.on_batch()
        with self._lock:
            self.seen += len(images)
        return [self._run(image) for image in images]

    def _run(self, image: np.ndarray) -> FaceResult:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        mask = (hsv[..., 1] > 120).astype(np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
        n, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        boxes, vectors, quality = [], [], []
        for label in range(1, n):
            x, y, w, h, _area = stats[label]
            boxes.append([x, y, x + w, y + h])
            hue = np.deg2rad(2.0 * hsv[..., 0][labels == label])
            angle = np.arctan2(np.sin(hue).mean(), np.cos(hue).mean())
            places = np.linspace(-np.pi, np.pi, 512, endpoint=False)
            vector = np.exp(4 * (np.cos(places - angle) - 1) * 4)
            vectors.append(vector / np.linalg.norm(vector))
            quality.append(min(1.0, w / 80))
        box = np.array(boxes, np.float32).reshape(-1, 4)
        centre, half = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2:] - box[:, :2]) / 2
        shape = np.array([[-0.4, -0.3], [0.4, -0.3], [0, 0.1], [-0.3, 0.5], [0.3, 0.5]])
        points = centre[:, None] + shape[None] * half[:, None]
        return FaceResult(
            Detections(box, np.full(len(box), 0.9, np.float32), points),
            np.zeros((len(box), 112, 112, 3), np.uint8),
            np.array(vectors, np.float32).reshape(-1, 512),
            np.array(quality, np.float32),
        )


def draw_photo(people: Sequence[str], seed: int, size: tuple[int, int] = (480, 320)) -> np.ndarray:
    """A grey scene with one disc a person, at places that depend on the seed."""
    rng = np.random.default_rng(seed)
    width, height = size
    coarse = rng.integers(60, 200, (6, 9), dtype=np.uint8)
    grey = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    image = np.repeat(grey[..., None], 3, axis=2)
    slot = width / max(1, len(people))
    for k, person in enumerate(people):
        radius = int(min(slot * 0.35, height * 0.3) * rng.uniform(0.7, 1.0))
        centre = (int(slot * (k + 0.5)), int(rng.integers(radius + 5, height - radius - 5)))
        colour = cv2.cvtColor(np.uint8([[[HUES[person], 220, 220]]]), cv2.COLOR_HSV2RGB)[0, 0]
        cv2.circle(image, centre, radius, tuple(int(c) for c in colour), -1, cv2.LINE_AA)
        for side in (-1, 1):
            eye = (centre[0] + side * radius // 3, centre[1] - radius // 4)
            cv2.circle(image, eye, max(2, radius // 9), (20, 20, 20), -1, cv2.LINE_AA)
    return image


def write_photo(path: Path, people: Sequence[str], seed: int, **options: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = draw_photo(people, seed)
    ok, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert ok
    path.write_bytes(data.tobytes())
    return path


@pytest.fixture
def engine() -> DiscEngine:
    return DiscEngine()


@pytest.fixture
def new_engine() -> Callable[..., DiscEngine]:
    return DiscEngine


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Ann in five photos, Bob in four, Cem in two, Dot in one; a copy and two broken files."""
    folder = tmp_path / "photos"
    write_photo(folder / "a1.jpg", ["ann", "bob"], 1)
    write_photo(folder / "a2.jpg", ["ann"], 2)
    write_photo(folder / "a3.png", ["ann", "bob", "cem"], 3)
    write_photo(folder / "trip/a4.jpg", ["bob", "ann"], 4)
    write_photo(folder / "trip/b 5.JPG", ["bob"], 5)
    write_photo(folder / "trip/c6.jpg", ["cem", "dot"], 6)
    write_photo(folder / "nobody.jpg", [], 7)
    (folder / "trip/copy of a2.jpg").write_bytes((folder / "a2.jpg").read_bytes())
    (folder / "broken.jpg").write_bytes((folder / "a1.jpg").read_bytes()[:300])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("not a photo")
    return folder


@pytest.fixture
def photo_writer() -> Callable[..., Path]:
    return write_photo
