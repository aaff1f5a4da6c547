"""What several tests of data share."""

from __future__ import annotations

import pytest

from faceflow_ml.data.identities import IdentityCache, build_identity_cache
from faceflow_ml.data.identity_sources import read_identities


@pytest.fixture(scope="package")
def twelve_people(tmp_path_factory: pytest.TempPathFactory) -> IdentityCache:
    """Twelve fictional people, four faces each, in one order."""
    cache = tmp_path_factory.mktemp("faces")
    samples = read_identities(None, "train", synthetic_people=12, synthetic_faces=4, cache=cache)
    return build_identity_cache(samples, cache)
