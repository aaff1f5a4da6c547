"""What the application counts and times, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Counter("faceflow_http_requests", "Requests answered", ("method", "route", "status"))
REQUEST_SECONDS = Histogram(
    "faceflow_http_request_seconds",
    "Time until the whole answer was sent",
    ("method", "route"),
    buckets=_SECONDS,
)
REQUESTS_LIMITED = Counter("faceflow_http_requests_limited", "Requests over a limit", ("limit",))
JOBS = Counter("faceflow_jobs", "Runs of jobs by what became of them", ("kind", "outcome"))
JOBS_RUNNING = Gauge("faceflow_jobs_running", "Jobs that are worked on now", ("kind",))
JOB_SECONDS = Histogram(
    "faceflow_job_seconds",
    "Time of one run of a job",
    ("kind",),
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400),
)
PHOTOS = Counter("faceflow_photos_processed", "Photos by what became of them", ("outcome",))
FACES = Counter("faceflow_faces_found", "Faces found in photos")
ENGINE_SECONDS = Histogram(
    "faceflow_engine_seconds",
    "Time of the face engine for one photo",
    ("stage",),
    buckets=_SECONDS,
)
