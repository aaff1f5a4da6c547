"""Settings of a server, from the environment; the command line may override them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from faceflow_ml.inference.session import Device
from faceflow_ml.settings import variables
from faceflow_ml.variables import check_variables, nearest
from serving.device import resolve_device
from serving.handler import Task

PREFIX = "FACEFLOW_SERVING_"
MAX_BODY = 6 * 2**20
"""SageMaker's limit of bytes for a request of a real-time endpoint."""


class Settings(BaseSettings):
    """Named ``FACEFLOW_SERVING_*`` in the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    task: Task
    model_dir: Path | None = Field(None, description="None: the shipped weights")
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=1, le=65535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    processes: int = Field(1, ge=1, description="servers side by side, each with its own model")
    workers: int | None = Field(None, ge=1, description="batches at a time in a process")
    threads: int | None = Field(
        None, ge=1, description="of one batch; OMP_NUM_THREADS, else the cores shared out"
    )
    device: Device = "auto"

    max_batch: int | None = Field(None, ge=1, description="images in a batch")
    max_wait_ms: float = Field(3.0, ge=0, description="that a batch waits to become larger")
    queue_size: int = Field(128, ge=1, description="images in a process; beyond that 503")
    max_instances: int = Field(512, ge=1, description="images in one request")
    max_body: int = Field(MAX_BODY, ge=1, description="bytes of one request")
    max_pixels: int = Field(50_000_000, ge=1, description="of a photo")
    request_timeout: float = Field(
        55.0, gt=0, description="seconds for a request; SageMaker gives up after 60"
    )
    drain_timeout: int = Field(
        25, ge=0, description="seconds to finish in after SIGTERM; SageMaker kills after 30"
    )

    @model_validator(mode="after")
    def _no_unknown_settings(self) -> Self:
        known = set(variables(type(self)).values())
        # The prefix is the servers' alone; what lies beyond it may be somebody else's.
        for name in sorted(os.environ):
            if name.upper().startswith(PREFIX) and name.upper() not in known:
                raise ValueError(f"there is no {name}; the nearest is {nearest(name, known)}")
        check_variables(known)
        return self

    @model_validator(mode="after")
    def _fit_batch_transform(self) -> Self:
        """A transform job says itself how large its requests are and how many come at a time."""
        if os.environ.get("SAGEMAKER_BATCH", "").lower() == "true":
            megabytes = _batch_number("SAGEMAKER_MAX_PAYLOAD_IN_MB")
            at_a_time = _batch_number("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS")
            # frozen, but still being made
            if megabytes and "max_body" not in self.model_fields_set:
                object.__setattr__(self, "max_body", megabytes * 2**20)
            if at_a_time:
                places = at_a_time * self.max_instances
                object.__setattr__(self, "queue_size", max(self.queue_size, places))
        return self

    @property
    def on_gpu(self) -> bool:
        """Whether the model computes on a GPU."""
        return resolve_device(self.device) == "cuda"

    @property
    def batches(self) -> int:
        """How many batches run at a time in a process: one a core, or one on a GPU."""
        if self.workers is not None:
            return self.workers
        return 1 if self.on_gpu else max(1, cores() // self.processes)

    @property
    def batch_size(self) -> int:
        """The most images of a batch. Photos fill the cores one by one; a GPU wants several."""
        if self.max_batch is not None:
            return self.max_batch
        if self.task == "detection":
            return 8 if self.on_gpu else 2
        return 64 if self.on_gpu else 16

    @property
    def threads_each(self) -> int:
        """Threads of ONNX Runtime for one batch."""
        if self.threads is not None:
            return self.threads
        return _number("OMP_NUM_THREADS") or max(1, cores() // (self.processes * self.batches))


def cores() -> int:
    """The cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def _number(variable: str) -> int | None:
    text = os.environ.get(variable, "")
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None


def _batch_number(variable: str) -> int | None:
    """A number of SageMaker's; None: not given, or 0, which is without a limit."""
    text = os.environ.get(variable, "0")
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{variable} is {text!r}; it should be a whole number, 0 or more")
    return int(text) or None
