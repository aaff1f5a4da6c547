"""Leaves exact copies out, and writes the manifest of what is left."""

from __future__ import annotations

from typing import Any

from api.lambdas.stage import Stage, stage
from api.workflow import stages


def _deduplicate(at: Stage) -> dict[str, Any]:
    work = stages.deduplicate(at.context, at.given.batch, f"s3://{at.open.aws.raw_bucket}/")
    return {
        "photos": work.photos,
        "albumPhotos": work.album_photos,
        "chunks": [{"photoIds": chunk} for chunk in work.chunks],
        "manifestKey": work.manifest_key,
        "inputManifestKey": work.input_manifest_key,
        "outputPrefix": work.output_prefix,
    }


handler = stage(_deduplicate)
