"""The images that delivery knows."""

from __future__ import annotations

from infra import deliver

IMAGES = {
    (image.dockerfile, image.target)
    for image in (*deliver.ML, *deliver.APPLICATION, *deliver.FUNCTIONS)
}
"""Recipe and target of each."""
