"""Recognisers compared on the same pairs of photos, detector and alignment included."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceflow_ml.benchmark.peers.base import FloatArray, PeerMissing, PeerRecognizer
from faceflow_ml.benchmark.peers.registry import PEERS
from faceflow_ml.benchmark.timing import Timing, summarise
from faceflow_ml.data.records import decode_rgb
from faceflow_ml.evaluation.main_face import main_face
from faceflow_ml.evaluation.pair_sources import Pair
from faceflow_ml.evaluation.run_verification import MISSED_SIMILARITY, PairMetrics, pair_metrics
from faceflow_ml.inference.threads import one_opencv_thread


@dataclass(frozen=True)
class RecognizerComparison:
    """One recogniser on the pairs; a photo in which it finds no face makes its pairs errors.

    per_photo: milliseconds to find and embed all faces of a photo; None for this project, whose
        stages are timed elsewhere.
    """

    name: str
    metrics: PairMetrics
    per_photo: Timing | None


@dataclass(frozen=True)
class RecognizerTable:
    """All recognisers that are here; ``missing``: the others, and why."""

    results: tuple[RecognizerComparison, ...]
    missing: tuple[tuple[str, str], ...]


def compare_recognizers(
    pairs: Sequence[Pair],
    photos: Mapping[str, bytes | Path],
    own: PairMetrics,
    *,
    weights: Path | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> RecognizerTable:
    """Verify the pairs with every recogniser that is here.

    Args:
        pairs: of photos by name.
        photos: encoded, by name.
        own: this project's measures on the same pairs.
        weights: folder with the weights that peers' packages lack.
        say: told what is measured now.

    Raises:
        ImageError: a photo cannot be read.
    """
    results = [RecognizerComparison("FaceFlow", own, None)]
    missing = []
    with one_opencv_thread():
        for peer in PEERS:
            if peer.recognizer is None:
                continue
            try:
                recognizer = peer.recognizer(weights)
            except PeerMissing as reason:
                missing.append((peer.name, str(reason)))
                continue
            say(f"Verifying {len(pairs)} pairs: {peer.name}")
            results.append(_verify(peer.name, recognizer, pairs, photos))
    return RecognizerTable(tuple(results), tuple(missing))


def _verify(
    name: str,
    recognizer: PeerRecognizer,
    pairs: Sequence[Pair],
    photos: Mapping[str, bytes | Path],
) -> RecognizerComparison:
    vectors: dict[str, FloatArray] = {}
    milliseconds = []
    names = sorted({photo for pair in pairs for photo in (pair.a, pair.b)})
    for photo in names:
        source = photos[photo]
        image = decode_rgb(source if isinstance(source, bytes) else source.read_bytes(), photo)
        started = time.perf_counter()
        faces = recognizer.faces(image)
        milliseconds.append((time.perf_counter() - started) * 1000)
        height, width = image.shape[:2]
        # Scores of a support vector machine are no certainties; of faces that passed the peer's
        # own threshold, size and place tell which is the main one.
        certain = np.ones(len(faces.vectors))
        main = main_face(faces.found.boxes, certain, width, height)
        if main is not None:
            vectors[photo] = faces.vectors[main]
    same = np.array([pair.same for pair in pairs])
    missed = np.array([not (pair.a in vectors and pair.b in vectors) for pair in pairs])
    scores = np.full(len(pairs), MISSED_SIMILARITY, np.float32)
    for row, pair in enumerate(pairs):
        if not missed[row]:
            scores[row] = recognizer.similarity(vectors[pair.a], vectors[pair.b])
    metrics = pair_metrics(scores, same, missed, photos=len(names), found=len(vectors))
    return RecognizerComparison(name, metrics, summarise(milliseconds))
