"""What each step costs on one thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceflow_ml.benchmark.timing import (
    Stopwatch,
    Timing,
    summarise,
    time_call,
)
from faceflow_ml.clustering.batch import THRESHOLD, cluster_faces
from faceflow_ml.data.synth.people import sample_person
from faceflow_ml.data.synth.scene import render_photo
from faceflow_ml.inference.alignment import align_faces, alignable
from faceflow_ml.inference.images import load_image
from faceflow_ml.inference.pipeline import FacePipeline
from faceflow_ml.inference.quality import face_quality
from faceflow_ml.inference.threads import one_opencv_thread
from faceflow_ml.inference.types import CROP_SIZE

DETECTOR_SIZE = (640, 480)
BATCH = 16


@dataclass(frozen=True)
class ModelTimes:
    """The models on one thread.

    detector: a photo of 640 x 480 pixels, resizing and suppression included.
    embedder: one aligned face alone. embedder_batch: a face in a batch of ``BATCH``.
    """

    detector: Timing
    embedder: Timing
    embedder_batch: Timing


@dataclass(frozen=True)
class StageTimes:
    """Each step of the job on one thread, over the photos of an album.

    decode, detect: a photo. align, embed, quality: a face, among those of its photo.
    cluster: all ``faces`` of the album, once.
    """

    photos: int
    faces: int
    decode: Timing
    detect: Timing
    align: Timing | None
    embed: Timing | None
    quality: Timing | None
    cluster: Timing | None


def time_models(pipeline: FacePipeline) -> ModelTimes:
    """Time both models, which must have been opened with ``threads=1``."""
    rng = np.random.default_rng(0)
    people = [sample_person(rng) for _ in range(3)]
    photo = render_photo(people, rng, DETECTOR_SIZE).image
    crops = rng.integers(0, 256, (BATCH, CROP_SIZE, CROP_SIZE, 3), dtype=np.uint8)
    with one_opencv_thread():
        batch = time_call(lambda: pipeline.embedder.embed(crops, batch_size=BATCH))
        return ModelTimes(
            detector=time_call(lambda: pipeline.detector.detect(photo)),
            embedder=time_call(lambda: pipeline.embedder.embed(crops[:1])),
            embedder_batch=Timing(
                round(batch.median_ms / BATCH, 3), round(batch.p90_ms / BATCH, 3), batch.runs
            ),
        )


def time_stages(pipeline: FacePipeline, photos: Sequence[Path]) -> StageTimes:
    """Time each step over the photos, with models that were opened with ``threads=1``.

    Raises:
        ImageError: a photo cannot be read.
    """
    watch = Stopwatch()
    vectors, quality, owners = [], [], []
    with one_opencv_thread():
        pipeline.run(load_image(photos[0]))  # warm-up
        for number, path in enumerate(photos):
            with watch("decode"):
                image = load_image(path)
            with watch("detect"):
                faces = pipeline.detector.detect(image)
            faces = faces.select(alignable(faces.landmarks))
            with watch("align", per=len(faces)):
                crops = align_faces(image, faces.landmarks)
            with watch("embed", per=len(faces)):
                found, norms = pipeline.embedder.embed_with_norms(crops)
            with watch("quality", per=len(faces)):
                grades = face_quality(
                    image, faces, norms, crops=crops, norm_range=pipeline.embedder.norm_range
                )
            vectors.append(found)
            quality.append(grades)
            owners += [number] * len(faces)
        if owners:
            threshold = pipeline.embedder.match_threshold
            stacked, graded = np.concatenate(vectors), np.concatenate(quality)
            for _ in range(3):
                with watch("cluster"):
                    cluster_faces(
                        stacked,
                        np.array(owners),
                        quality=graded,
                        threshold=THRESHOLD if threshold is None else threshold,
                    )
    times = {name: summarise(values) for name, values in watch.milliseconds.items()}
    return StageTimes(
        photos=len(photos),
        faces=len(owners),
        decode=times["decode"],
        detect=times["detect"],
        align=times.get("align"),
        embed=times.get("embed"),
        quality=times.get("quality"),
        cluster=times.get("cluster"),
    )
