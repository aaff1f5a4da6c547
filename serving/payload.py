"""From a request's bytes to images: encoded ones, or arrays."""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from serving import media
from serving.errors import BadInput

_MAX_HEADER = 1024
"""Characters of an .npy header; that of a plain array has 128 at most."""

Array = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Payload:
    """The images of one request.

    images: encoded ones, or None where ``array`` holds pixels, of shape (n, h, w, 3) or (h, w, 3).
    records: how many images each record has: one number a line of JSON Lines, else a single one.
    single: whether the request was for one image and not for a list.
    """

    images: tuple[bytes, ...] | None
    array: Array | None
    records: tuple[int, ...]
    single: bool


def read_payload(content_type: str, body: bytes, max_instances: int) -> Payload:
    """Parse a body.

    Raises:
        BadInput: it is malformed, empty, or has more than ``max_instances`` images.
    """
    if not body:
        raise BadInput("the body is empty")
    if content_type in media.IMAGES:
        return Payload((body,), None, (1,), single=True)
    if content_type == media.NPY:
        array = read_npy(body)
        if array.ndim == 4 and len(array) > max_instances:
            raise _too_many(len(array), max_instances)
        single = array.ndim == 3
        return Payload(None, array, (1 if single else len(array),), single)
    lines = [line for line in body.split(b"\n") if line.strip()]
    texts = lines if content_type == media.JSON_LINES else [body]
    records = [list(_instances(text)) for text in texts]
    total = sum(map(len, records))
    if total > max_instances:
        raise _too_many(total, max_instances)
    images = tuple(image for record in records for image in record)
    return Payload(images, None, tuple(map(len, records)), single=False)


def read_npy(body: bytes) -> Array:
    """An array of bytes in NumPy's format, without copying it.

    Only plain uint8 arrays of 3 or 4 dimensions are taken: nothing is ever unpickled, and nothing
    is allocated for a shape before the bytes for it are seen to be there.

    Raises:
        BadInput: anything else.
    """
    stream = io.BytesIO(body)
    try:
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"unknown version {version}")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(stream, max_header_size=_MAX_HEADER)
    # The header is a Python literal: what its parser raises for nonsense is of many kinds.
    except Exception as error:
        reason = str(error).partition("\n")[0][:200]
        raise BadInput(f"not an array in NumPy's format: {reason}") from error
    if dtype != np.uint8:
        raise BadInput(f"expected an array of uint8, got {dtype}")
    if len(shape) not in (3, 4) or min(shape) < 0:
        raise BadInput(f"expected shape (n, h, w, 3) or (h, w, 3), got {shape}")
    data = np.frombuffer(body, np.uint8, offset=stream.tell())
    wanted = math.prod(shape)
    if wanted != len(data):
        raise BadInput(f"shape {shape} needs {wanted:,} bytes, but {len(data):,} follow the header")
    return data.reshape(shape, order="F" if fortran else "C")


def _instances(text: bytes) -> Iterator[bytes]:
    try:
        document: Any = json.loads(text)
    except RecursionError as error:
        raise BadInput("the JSON is nested too deeply") from error
    except ValueError as error:  # not UTF-8, or not JSON
        raise BadInput(f"not valid JSON: {error}") from error
    instances = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(instances, list):
        raise BadInput('expected {"instances": [<base64 image>, ...]}')
    for number, value in enumerate(instances):
        if not isinstance(value, str):
            raise BadInput(
                f"instances[{number}]: expected text (base64), got {type(value).__name__}"
            )
        try:
            yield base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
            raise BadInput(f"instances[{number}]: not valid base64: {error}") from error


def _too_many(found: int, limit: int) -> BadInput:
    return BadInput(f"{found:,} images, over the limit of {limit:,} a request")
