"""What grouping an album loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

GROUP = """
import sys

import pytest
import numpy as np
import faceflow_ml.album.people
from faceflow_ml import cluster_faces
cluster_faces(np.eye(4, 8, dtype=np.float32)[[0, 0, 1, 2]], threshold=0.5)
names = {name.partition(".")[0] for name in sys.modules} | set(sys.modules)
print(*(names & {"faiss", "hdbscan", "numpy.ma", "scipy", "torch"}))
"""


def test_no_library_that_takes_longer_to_load_than_an_album_to_group() -> None:
    found = subprocess.run(
        [sys.executable, "-c", GROUP], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == []


INFOMAP = """
{first}
import numpy as np
from faceflow_ml import cluster_faces
vectors = np.random.default_rng(0).normal(size=(60, 16)).astype(np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
first = cluster_faces(vectors, threshold=0.3, method="infomap")
import faiss
index = faiss.IndexFlatIP(16)
index.add(vectors)
again = [cluster_faces(vectors, threshold=0.3, method="infomap") for _ in range(50)]
assert index.search(vectors, 1)[1][:, 0].tolist() == list(range(60))
print(all((first == labels).all() for labels in again))
"""


@pytest.mark.parametrize("first", ["", "import infomap, faiss", "import faiss, infomap"])
def test_infomap_survives_faiss(first: str) -> None:
    pytest.importorskip("infomap")
    code = INFOMAP.format(first=first)
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout.strip()) == (0, "True"), found.stderr
