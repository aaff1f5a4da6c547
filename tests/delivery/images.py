"""The images that delivery knows."""

from __future__ import annotations

import importlib.util
import sys

from tests.delivery.conftest import ROOT

# infra is no package: the program is run as a file.
_spec = importlib.util.spec_from_file_location("deliver", ROOT / "infra/deliver.py")
assert _spec is not None and _spec.loader is not None
deliver = importlib.util.module_from_spec(_spec)
sys.modules["deliver"] = deliver
_spec.loader.exec_module(deliver)

IMAGES = {
    (image.dockerfile, image.target)
    for image in (*deliver.ML, *deliver.APPLICATION, *deliver.FUNCTIONS)
}
"""Recipe and target of each."""
