"""Whatever the bytes are, ``load_image`` gives a picture or an ``ImageError``, and soon."""

from __future__ import annotations

import io
import threading
from functools import cache

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from faceflow_ml.errors import ImageError
from faceflow_ml.inference.images import ImageLimits, load_image, load_photo

LIMITS = ImageLimits(max_pixels=2_000_000, max_bytes=1_000_000)

MAGIC = [
    b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"GIF89a",
    b"RIFF\0\1\0\0WEBPVP8 ",
    b"RIFF\0\1\0\0WEBPVP8X",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
    b"II+\0\x08\0\0\0",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    b"BM",
]


@cache
def samples() -> list[bytes]:
    """Small valid files of every format and kind."""
    pillow_heif.register_heif_opener()
    y, x = np.mgrid[:40, :56]
    image = Image.fromarray(np.stack([x * 4, y * 6, (x * y) % 256], axis=2).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a holiday"
    frames = {"save_all": True, "append_images": [image.rotate(90)]}
    wide = Image.fromarray(np.asarray(image)[..., 0].astype(np.uint16) * 257)
    kinds = [
        (image, "JPEG", {"exif": exif.tobytes()}),
        (image, "JPEG", {"progressive": True, "exif": exif.tobytes()}),
        (image.convert("L"), "JPEG", {}),
        (image.convert("CMYK"), "JPEG", {}),
        (image, "PNG", {"exif": exif.tobytes()}),
        (image.quantize(16), "PNG", {"transparency": 3}),
        (wide, "PNG", {}),
        (image, "PNG", frames),
        (image, "WEBP", {"exif": exif.tobytes()}),
        (image.convert("RGBA"), "WEBP", {"lossless": True}),
        (image, "WEBP", frames),
        (image, "HEIF", {"exif": exif.tobytes()}),
        (image.convert("RGBA"), "HEIF", {}),
        (image, "TIFF", {"exif": exif.tobytes()}),
        (image, "TIFF", {"compression": "tiff_lzw"}),
        (image, "TIFF", {"compression": "jpeg"}),
        (wide, "TIFF", frames),
        (image.convert("1"), "TIFF", {"compression": "group4"}),
        (image, "BMP", {}),
        (image.quantize(16), "BMP", {}),
        (image, "GIF", frames),
    ]
    files = []
    for picture, kind, options in kinds:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        files.append(buffer.getvalue())
    return files


def reads_or_refuses(data: bytes, max_side: int | None = None) -> None:
    try:
        photo = load_photo(data, limits=LIMITS, max_side=max_side)
    except ImageError as error:
        assert str(error)
        assert "\n" not in str(error)
        return
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.ndim == 3
    assert photo.pixels.shape[2] == 3
    assert photo.pixels.size > 0
    assert photo.width * photo.height <= LIMITS.max_pixels
    if max_side is None:
        assert photo.pixels.shape[:2] == (photo.height, photo.width)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid file with bytes changed, cut, repeated or inserted."""
    data = bytearray(draw(st.sampled_from(samples())))
    for _ in range(draw(st.integers(1, 4))):
        # Headers are where decoders decide most, so half of the changes go there.
        end = draw(st.sampled_from([min(64, len(data)), len(data)]))
        at = draw(st.integers(0, max(0, end - 1)))
        length = draw(st.integers(1, 16))
        change = draw(st.sampled_from(["set", "cut", "repeat", "insert", "end"]))
        if change == "set":
            data[at : at + length] = draw(st.binary(min_size=length, max_size=length))
        elif change == "cut":
            del data[at : at + length]
        elif change == "repeat":
            data[at:at] = data[at : at + length] * draw(st.integers(1, 50))
        elif change == "insert":
            data[at:at] = draw(st.sampled_from([b"\0", b"\xff", b"\x7f\xff\xff\xff"])) * length
        else:
            del data[max(at, 1) :]
    return bytes(data)


@settings(max_examples=300, deadline=3000, suppress_health_check=[HealthCheck.too_slow])
@given(mutated(), st.sampled_from([None, 16]))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_files(data: bytes, max_side: int | None) -> None:
    reads_or_refuses(data, max_side)


@settings(max_examples=150, deadline=3000)
@given(st.sampled_from(MAGIC), st.binary(max_size=400))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_noise_behind_every_signature(magic: bytes, noise: bytes) -> None:
    reads_or_refuses(magic + noise)


@settings(max_examples=50, deadline=1000)
@given(st.binary(max_size=400))
def test_noise(data: bytes) -> None:
    reads_or_refuses(data)


def test_the_undamaged_files_are_read() -> None:
    shapes = {load_image(data, limits=LIMITS).shape for data in samples()}
    assert shapes <= {(40, 56, 3), (56, 40, 3)}


def test_many_threads_read_at_once() -> None:
    files = samples()
    alone = [load_image(data) for data in files]
    wrong: list[int] = []

    def work() -> None:
        for i, data in enumerate(files):
            if not np.array_equal(load_image(data), alone[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
