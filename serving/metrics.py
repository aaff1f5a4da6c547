"""What the server counts and times, for Prometheus; over all processes where there are several."""

from __future__ import annotations

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

REQUESTS = Counter("faceflow_serving_requests", "Requests answered", ("route", "method", "status"))
REQUEST_SECONDS = Histogram(
    "faceflow_serving_request_seconds",
    "Time until the whole answer was sent",
    ("route",),
    buckets=_SECONDS,
)
DECODE_SECONDS = Histogram(
    "faceflow_serving_decode_seconds", "Time to decode an image", buckets=_SECONDS
)
BATCH_SECONDS = Histogram(
    "faceflow_serving_batch_seconds", "Time of the model for a batch", buckets=_SECONDS
)
BATCH_IMAGES = Histogram(
    "faceflow_serving_batch_images",
    "Images in a batch",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
QUEUE = Gauge(
    "faceflow_serving_queue_images", "Images in the server now", multiprocess_mode="livesum"
)
MODEL = Gauge(
    "faceflow_serving_model_info",
    "Which model is served",
    ("task", "name", "contract_id", "sha256"),
    multiprocess_mode="max",
)


def exposition() -> tuple[bytes, str]:
    """Everything in Prometheus' text format, and its media type."""
    if os.environ.get(MULTIPROCESS_VARIABLE):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
    return generate_latest(), CONTENT_TYPE_LATEST
