"""A GPU that is not there: what was installed promises one, and the CPU computes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from faceflow_ml.errors import FaceFlowError
from serving import device
from serving.device import resolve_device
from serving.payload import Payload
from serving.service import Service
from serving.settings import Settings, cores
from tests.serving.conftest import crops

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


@pytest.fixture
def built_for_cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """ONNX Runtime's build for GPUs, as it is on a machine without one: CUDA does not start, and
    the session that asked for it has the CPU."""
    start = onnxruntime.InferenceSession

    def session(*words: Any, providers: list[str], **named: Any) -> Any:
        return start(*words, providers=[name for name in providers if name != CUDA], **named)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    device._cuda_starts.cache_clear()
    yield
    device._cuda_starts.cache_clear()


@pytest.mark.usefixtures("built_for_cuda")
def test_the_smallest_model_is_one(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert [resolve_device("auto") for _ in range(3)] == ["cpu"] * 3
    (line,) = caplog.messages  # said once
    assert line.startswith("CUDA does not start here")
    assert resolve_device("cpu") == "cpu"


@pytest.mark.usefixtures("built_for_cuda")
def test_a_server_without_its_gpu_has_the_settings_of_a_cpu(
    toy_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(task="embedding", model_dir=toy_folder / "embedder", port=8080)

    async def serve() -> list[Any]:
        service = Service(settings)
        await service.start()
        try:
            return await service.answer(Payload(None, crops(2), (2,), single=False))
        finally:
            await service.stop()

    with caplog.at_level(logging.INFO):
        answers = asyncio.run(serve())
    assert [np.isfinite(answer.vector).all() for answer in answers] == [True, True]
    loaded = next(record for record in caplog.records if record.message == "model loaded")
    assert loaded.__dict__["device"] == "cpu"
    assert loaded.__dict__["workers"] == settings.batches == cores()
    assert loaded.__dict__["max_batch"] == 16


@pytest.mark.usefixtures("built_for_cuda")
def test_who_demands_a_gpu_gets_no_other(toy_folder: Path) -> None:
    settings = Settings(task="embedding", model_dir=toy_folder / "embedder", device="cuda")
    assert (settings.batches, settings.batch_size) == (1, 64)

    async def serve() -> None:
        service = Service(settings)
        try:
            await service.start()
        finally:
            await service.stop()

    with pytest.raises(FaceFlowError, match="CUDA provider of ONNX Runtime did not start"):
        asyncio.run(serve())


def test_a_runtime_that_starts_cuda_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Started:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def get_providers(self) -> list[str]:
            return [CUDA, CPU]

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Started)
    device._cuda_starts.cache_clear()
    try:
        assert resolve_device("auto") == "cuda"
    finally:
        device._cuda_starts.cache_clear()
