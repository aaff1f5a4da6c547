"""A model at work: decoding, batching and answering, without HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import cv2

from faceflow_ml.inference.types import ImageArray
from serving import media, metrics
from serving.admission import Admission
from serving.batching import Batcher
from serving.device import resolve_device
from serving.errors import BadInput, Busy
from serving.handler import Handler, ModelInfo, load_handler, npy_bytes
from serving.payload import Payload, read_payload
from serving.settings import Settings, cores

# Answers that take longer to write than a change of threads.
_MANY = 8

_log = logging.getLogger(__name__)
Result = TypeVar("Result")


class Service:
    """Loads the model once, then answers; made in a running event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.queue = Admission(settings.queue_size)
        self._helpers = ThreadPoolExecutor(cores(), thread_name_prefix="decode")
        # Decoded photos are a hundred times larger than encoded ones: no more of them exist than
        # the model is about to need.
        self._decoded = asyncio.Semaphore(2 * settings.batches * settings.batch_size)
        self._handler: Handler[Any] | None = None
        self._batcher: Batcher[ImageArray, Any] | None = None

    @property
    def info(self) -> ModelInfo:
        """Which model is served.

        Raises:
            Busy: it is not loaded yet.
        """
        return self._model().info

    async def start(self) -> None:
        """Load the model and warm it up.

        Raises:
            FaceFlowError: it is missing, altered, of another kind or fails to run.
        """
        settings = self.settings
        handler = await self._in_thread(self._load)
        self._batcher = Batcher(
            _timed(handler.run),
            max_batch=settings.batch_size,
            max_wait=settings.max_wait_ms / 1000,
            workers=settings.batches,
        )
        info = handler.info
        metrics.MODEL.labels(info.task, info.name, info.contract_id, info.sha256).set(1)
        self._handler = handler
        _log.info(
            "model loaded",
            extra={
                "task": info.task,
                "model": info.name,
                "contract_id": info.contract_id,
                "sha256": info.sha256,
                "device": resolve_device(settings.device),
                "workers": settings.batches,
                "threads": settings.threads_each,
                "max_batch": settings.batch_size,
            },
        )

    async def stop(self) -> None:
        """End the threads; requests are over by now."""
        if self._batcher is not None:
            await self._batcher.close()
        self._helpers.shutdown(cancel_futures=True)

    def arriving(self) -> Any:
        """For the time in which a request's body is read; see `Batcher.arriving`."""
        self._model()
        assert self._batcher is not None
        return self._batcher.arriving()

    async def parse(self, content_type: str, body: bytes) -> Payload:
        """The images of a body; in a helper thread if that takes long.

        Raises:
            BadInput: see `read_payload`.
        """
        parse = partial(read_payload, content_type, body, self.settings.max_instances)
        if content_type in (media.JSON, media.JSON_LINES):
            return await self._in_thread(parse)
        return parse()

    async def answer(self, payload: Payload) -> list[Any]:
        """One answer for each image, in their order.

        Raises:
            BadInput: an image is not what the model takes; the message has its number.
        """
        handler = self._model()
        if payload.array is not None:
            try:
                images = handler.split(payload.array)
            except ValueError as error:
                raise BadInput(str(error)) from error
            return await _together([self._submit(image) for image in images])
        encoded = payload.images or ()
        if payload.single:
            return [await self._answer_encoded(encoded[0], "")]
        return await _together(
            [
                self._answer_encoded(data, f"instances[{number}]: ")
                for number, data in enumerate(encoded)
            ]
        )

    async def render(self, answers: Sequence[Any], payload: Payload, wanted: str) -> bytes:
        """The body of a response in the media type that is wanted."""
        render = partial(self._render, answers, payload, wanted)
        return await self._in_thread(render) if len(answers) > _MANY else render()

    def _render(self, answers: Sequence[Any], payload: Payload, wanted: str) -> bytes:
        handler = self._model()
        if wanted == media.NPY:
            return npy_bytes(handler.to_array(answers))
        if wanted == media.JSON:
            return _json(handler.to_json(answers, single=payload.single))
        lines: list[bytes] = []
        start = 0
        for count in payload.records:
            record = answers[start : start + count]
            lines.append(_json(handler.to_json(record, single=False)) + b"\n")
            start += count
        return b"".join(lines)

    async def _answer_encoded(self, data: bytes, name: str) -> Any:
        handler = self._model()
        assert self._batcher is not None
        async with self._decoded:
            with self._batcher.arriving():
                try:
                    image = await self._in_thread(partial(_decode, handler, data))
                except ValueError as error:
                    raise BadInput(f"{name}{error}") from error
            return await self._batcher.submit(image)

    async def _submit(self, image: ImageArray) -> Any:
        assert self._batcher is not None
        return await self._batcher.submit(image)

    def _load(self) -> Handler[Any]:
        settings = self.settings
        cv2.setNumThreads(1)  # decoding and batches fill the cores by themselves
        handler = load_handler(
            settings.task,
            settings.model_dir,
            threads=settings.threads_each,
            device=resolve_device(settings.device),
            max_pixels=settings.max_pixels,
        )
        handler.warm_up(settings.batch_size)
        return handler

    def _model(self) -> Handler[Any]:
        if self._handler is None:
            raise Busy("the model is being loaded")
        return self._handler

    async def _in_thread(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._helpers, call)


def _decode(handler: Handler[Any], data: bytes) -> ImageArray:
    with metrics.DECODE_SECONDS.time():
        return handler.decode(data)


def _timed(
    run: Callable[[Sequence[ImageArray]], Sequence[Any]],
) -> Callable[[Sequence[ImageArray]], Sequence[Any]]:
    def timed(images: Sequence[ImageArray]) -> Sequence[Any]:
        started = time.perf_counter()
        answers = run(images)
        metrics.BATCH_SECONDS.observe(time.perf_counter() - started)
        metrics.BATCH_IMAGES.observe(len(images))
        return answers

    return timed


async def _together(calls: Sequence[Any]) -> list[Any]:
    """The results of all, or the first error; the rest is then given up."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _json(document: Any) -> bytes:
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
