"""The recipe that most people use with face_recognition: ``python -m ...peers.recipe FOLDER FILE``.

Every photo of a folder: HOG detector, five-point predictor, ResNet, on all cores; then Chinese
whispers at a distance of 0.5. A program of its own, so that it is timed as this project's command
is: with starting Python and loading models.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from faceflow_ml.benchmark.peers.base import need
from faceflow_ml.benchmark.peers.dlib import GROUP_DISTANCE, INSTALL, DlibRecognizer
from faceflow_ml.benchmark.processes import peak_resident_mib

_SUFFIXES = (".jpg", ".jpeg", ".png")
_recognizer: DlibRecognizer | None = None


def main(folder: Path, out: Path, workers: int) -> None:
    """Group the photos of ``folder`` and write what was found to ``out`` as JSON.

    ``photos``: ``path``, ``width``, ``height``, ``boxes``, and ``groups``, one number a box;
    ``worker_mib``: the peak memory of each worker process.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_load) as pool:
        photos = list(pool.map(_analyse, files, chunksize=4))
    dlib = need("dlib", INSTALL)
    vectors = [dlib.vector(vector) for photo in photos for vector in photo["vectors"]]
    labels = iter(dlib.chinese_whispers_clustering(vectors, GROUP_DISTANCE))
    entries = [
        {
            "path": file.relative_to(folder).as_posix(),
            "width": photo["width"],
            "height": photo["height"],
            "boxes": photo["boxes"],
            "groups": [int(next(labels)) for _ in photo["boxes"]],
        }
        for file, photo in zip(files, photos, strict=True)
        if photo["width"]
    ]
    memory = {photo["process"]: photo["peak_mib"] for photo in photos}
    out.write_text(json.dumps({"photos": entries, "worker_mib": list(memory.values())}))


def _load() -> None:
    global _recognizer
    _recognizer = DlibRecognizer()


def _analyse(file: Path) -> dict[str, Any]:
    if _recognizer is None:
        raise RuntimeError("the worker has not loaded its models")
    photo: dict[str, Any] = {"width": 0, "height": 0, "boxes": [], "vectors": []}
    try:
        with Image.open(file) as image:
            pixels = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except OSError:
        pixels = None
    if pixels is not None:
        faces = _recognizer.faces(pixels)
        photo.update(
            width=pixels.shape[1],
            height=pixels.shape[0],
            boxes=faces.found.boxes.tolist(),
            vectors=faces.vectors.tolist(),
        )
    return {**photo, "process": os.getpid(), "peak_mib": peak_resident_mib("self") or 0.0}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
