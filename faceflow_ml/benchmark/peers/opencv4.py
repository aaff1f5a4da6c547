"""The cascade of OpenCV 4 beside OpenCV 5: a process of its own, photos in, faces out.

Two versions of OpenCV do not fit into one process. The other one lies in a folder that comes first
on the path of the child: ``python -m faceflow_ml.benchmark.peers.opencv4``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from pathlib import Path
from typing import IO

import numpy as np

from faceflow_ml.benchmark.peers.base import PeerMissing, detections
from faceflow_ml.evaluation.detection import ImageDetections
from faceflow_ml.inference.types import ImageArray

FOLDER = "opencv4"
INSTALL = f"pip install --no-deps --target DIR/{FOLDER} 'opencv-python-headless<5'"


class Opencv4Haar:
    """`HaarDetector` under the OpenCV that is in ``weights / FOLDER``.

    Raises:
        PeerMissing: there is none.
    """

    def __init__(self, weights: Path | None) -> None:
        folder = weights / FOLDER if weights else None
        if folder is None or not (folder / "cv2").is_dir():
            raise PeerMissing(f"OpenCV 5 has no cascades; {INSTALL} and --peer-weights DIR")
        path = os.pathsep.join([os.fspath(folder.resolve()), *sys.path])
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
        weakref.finalize(self, self._process.kill)

    def detect(self, image: ImageArray) -> ImageDetections:
        write, read = self._process.stdin, self._process.stdout
        if write is None or read is None:
            raise RuntimeError("the process was started without pipes")
        try:
            write.write(np.array(image.shape[:2], np.uint32).tobytes())
            write.write(np.ascontiguousarray(image).tobytes())
            write.flush()
            count = int(np.frombuffer(_exactly(read, 4), np.uint32)[0])
            rows = np.frombuffer(_exactly(read, 20 * count), np.float32).reshape(-1, 5)
        except (BrokenPipeError, EOFError) as error:
            raise PeerMissing(f"OpenCV 4 in {FOLDER} does not run: {error}") from error
        return detections(rows[:, :4], rows[:, 4])


def serve(read: IO[bytes], write: IO[bytes]) -> None:
    """Answer photos (height, width as uint32, then RGB) with faces (count as uint32, then x1, y1,
    x2, y2, score as float32) until there are no more."""
    from faceflow_ml.benchmark.peers.opencv import HaarDetector

    detector = HaarDetector()
    while size := read.read(8):
        height, width = (int(value) for value in np.frombuffer(size, np.uint32))
        pixels = np.frombuffer(_exactly(read, height * width * 3), np.uint8)
        found = detector.detect(pixels.reshape(height, width, 3))
        rows = np.concatenate([found.boxes, found.scores[:, None]], axis=1).astype(np.float32)
        write.write(np.array([len(rows)], np.uint32).tobytes() + rows.tobytes())
        write.flush()


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError("it ended before its answer")
    return data


if __name__ == "__main__":
    import cv2

    cv2.setNumThreads(1)
    serve(sys.stdin.buffer, sys.stdout.buffer)
