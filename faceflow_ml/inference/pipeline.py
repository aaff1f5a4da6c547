"""Detect, align and embed in one call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from faceflow_ml.inference.alignment import align_faces, alignable
from faceflow_ml.inference.detector import FaceDetector, MultiScale
from faceflow_ml.inference.embedder import FaceEmbedder
from faceflow_ml.inference.quality import face_quality
from faceflow_ml.inference.session import Device
from faceflow_ml.inference.types import FaceResult, ImageArray


class FacePipeline:
    """From photos to detections, crops, vectors and quality."""

    def __init__(self, detector: FaceDetector, embedder: FaceEmbedder):
        self.detector = detector
        self.embedder = embedder

    @classmethod
    def from_pretrained(
        cls,
        *,
        detector: str | os.PathLike[str] | None = None,
        embedder: str | os.PathLike[str] | None = None,
        threads: int | None = None,
        device: Device = "cpu",
    ) -> FacePipeline:
        """The shipped models, or others by name, path or ``models:/`` URI."""
        # Loading a graph takes one core; two graphs are loaded on two.
        with ThreadPoolExecutor(2, thread_name_prefix="load") as pool:
            first = pool.submit(
                FaceDetector.from_pretrained, detector, threads=threads, device=device
            )
            second = pool.submit(
                FaceEmbedder.from_pretrained, embedder, threads=threads, device=device
            )
            return cls(first.result(), second.result())

    def run(
        self,
        image: ImageArray,
        *,
        score_threshold: float | None = None,
        max_faces: int | None = None,
        multi_scale: MultiScale = "auto",
    ) -> FaceResult:
        """The faces of one photo (H, W, 3) uint8 RGB; options as for ``FaceDetector.detect``."""
        return self.run_batch(
            [image], score_threshold=score_threshold, max_faces=max_faces, multi_scale=multi_scale
        )[0]

    def run_batch(
        self,
        images: Sequence[ImageArray],
        *,
        score_threshold: float | None = None,
        max_faces: int | None = None,
        multi_scale: MultiScale = "auto",
        batch_size: int = 32,
    ) -> list[FaceResult]:
        """``run`` for several photos; the faces of all of them are embedded together.

        A detection whose five landmarks fix no alignment is left out.
        """
        found = self.detector.detect_batch(
            images, score_threshold=score_threshold, max_faces=max_faces, multi_scale=multi_scale
        )
        found = [faces.select(alignable(faces.landmarks)) for faces in found]
        crops = [
            align_faces(image, faces.landmarks) for image, faces in zip(images, found, strict=True)
        ]
        if not crops:
            return []
        vectors, norms = self.embedder.embed_with_norms(
            np.concatenate(crops), batch_size=batch_size
        )
        results = []
        start = 0
        for image, faces, own in zip(images, found, crops, strict=True):
            part = slice(start, start + len(faces))
            start = part.stop
            quality = face_quality(
                image, faces, norms[part], crops=own, norm_range=self.embedder.norm_range
            )
            results.append(FaceResult(faces, own, vectors[part], quality))
        return results
