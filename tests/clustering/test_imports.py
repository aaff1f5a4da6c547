"""What grouping an album loads."""

from __future__ import annotations

import subprocess
import sys

GROUP = """
import sys
import numpy as np
import faceflow_ml.album.people
from faceflow_ml import cluster_faces
cluster_faces(np.eye(4, 8, dtype=np.float32)[[0, 0, 1, 2]], threshold=0.5)
print(*({name.partition(".")[0] for name in sys.modules} & {"faiss", "hdbscan", "scipy", "torch"}))
"""


def test_no_library_that_takes_longer_to_load_than_an_album_to_group() -> None:
    found = subprocess.run(
        [sys.executable, "-c", GROUP], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == []
