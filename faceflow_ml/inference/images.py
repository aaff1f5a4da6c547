"""Reading photos from anywhere: upright RGB pixels, or an ``ImageError`` with a reason.

Photos are untrusted. The format is told by content and not by name, only the formats listed
below are ever opened, and the limits on bytes and pixels are checked before anything is decoded.
"""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import cv2
import numpy as np
import pillow_heif
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from faceflow_ml.errors import ImageError
from faceflow_ml.inference.jpeg import decode_jpeg, scan_count
from faceflow_ml.inference.types import ImageArray

ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
ImageFormat = Literal["JPEG", "PNG", "WebP", "HEIC", "TIFF", "BMP", "GIF"]

_NAMES = "jpg jpeg jpe jfif png webp heic heif hif tif tiff bmp gif"
IMAGE_SUFFIXES = frozenset(f".{suffix}" for suffix in _NAMES.split())
"""File name endings, in lower case, worth trying; ``load_image`` itself ignores the name."""

# The classes themselves, and not Image.open: it would try every format that any other part of
# the process has registered, and warns or fails by limits of its own.
READERS: dict[ImageFormat, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "HEIC": pillow_heif.HeifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
}
"""Pillow's reader of each format."""

_HEIF_BRANDS = frozenset(b"heic heix heim heis hevc hevx hevm hevs mif1 mif2 msf1".split())

_EXIF_ORIENTATION = 0x0112

# Encoders write a dozen scans at most; each one costs a pass over all the pixels.
_MAX_JPEG_SCANS = 100


@dataclass(frozen=True)
class ImageLimits:
    """What a photo may cost: ``max_pixels`` (width x height) and ``max_bytes`` (encoded)."""

    max_pixels: int = 128_000_000
    max_bytes: int = 256 * 2**20

    def __post_init__(self) -> None:
        if self.max_pixels < 1 or self.max_bytes < 1:
            raise ValueError("expected max_pixels >= 1 and max_bytes >= 1")


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo.

    pixels: (h, w, 3) uint8 RGB, upright; smaller than the original if ``max_side`` was given.
    width, height: size of the original in pixels, upright.
    format: what the content is.
    """

    pixels: ImageArray
    width: int
    height: int
    format: ImageFormat


def load_image(
    source: ImageSource, *, limits: ImageLimits | None = None, max_side: int | None = None
) -> ImageArray:
    """Decode a photo as (H, W, 3) uint8 RGB with its EXIF orientation applied.

    JPEG (any kind, CMYK too), PNG, WebP, HEIC/HEIF, TIFF, BMP and GIF; the first frame of
    animations and the first page of documents. Transparency is shown on white; 16 bits a channel
    are scaled to 8.

    source: a path, the encoded bytes, or a binary file open for reading.
    limits: on encoded bytes and on pixels, both checked before decoding.
    max_side: if given, the longest side is reduced to this many pixels (never enlarged); JPEG is
        then decoded at a fraction of its size, which is several times faster.
    Raises ImageError, with a one-line reason, if there is no such file, it is not a regular file,
    cannot be read, is no image of these formats, is damaged or cut short, or is over the limits.
    """
    return load_photo(source, limits=limits, max_side=max_side).pixels


def load_photo(
    source: ImageSource, *, limits: ImageLimits | None = None, max_side: int | None = None
) -> Photo:
    """``load_image`` together with the original size and the format."""
    limits = limits or ImageLimits()
    if max_side is not None and max_side < 1:
        raise ValueError(f"expected max_side >= 1, got {max_side}")
    name = f"{Path(source).name!r}: " if isinstance(source, (str, os.PathLike)) else ""
    try:
        return _decode(_read(source, limits.max_bytes), limits.max_pixels, max_side)
    except ImageError as error:
        raise ImageError(f"{name}{error}") from error.__cause__


def _read(source: ImageSource, max_bytes: int) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    elif isinstance(source, (str, os.PathLike)):
        data = _read_file(source, max_bytes)
    elif hasattr(source, "read"):
        try:
            data = source.read(max_bytes + 1)
        except (OSError, ValueError) as error:  # ValueError: a closed file
            raise ImageError(f"cannot be read: {_one_line(error)}") from error
        if not isinstance(data, bytes):
            raise ImageError("expected a file opened in binary mode")
    else:
        raise ImageError(f"expected a path, bytes or a binary file, got {type(source).__name__}")
    if not data:
        raise ImageError("the file is empty")
    if len(data) > max_bytes:
        raise ImageError(f"over the limit of {max_bytes:,} bytes")
    return data


def _read_file(path: str | os.PathLike[str], max_bytes: int) -> bytes:
    # Non-blocking, since opening a pipe that nobody writes to would wait for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"cannot be opened: {reason}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
            raise ImageError(f"not a file but {kind}")
        if status.st_size > max_bytes:
            raise ImageError(f"{status.st_size:,} bytes, over the limit of {max_bytes:,}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(max_bytes + 1)
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)


def image_format(data: bytes) -> ImageFormat:
    """What the content is, by its first bytes (16 will do).

    Raises:
        ImageError: none of the formats that are read.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return "HEIC"
    if data.startswith(b"BM"):
        return "BMP"
    raise ImageError("not an image (JPEG, PNG, WebP, HEIC, TIFF, BMP or GIF)")


def _decode(data: bytes, max_pixels: int, max_side: int | None) -> Photo:
    kind = image_format(data)
    # Decoders of untrusted bytes raise nearly anything (SyntaxError, struct.error, MemoryError,
    # IndexError, ...); every one of them means that the photo cannot be read.
    try:
        with READERS[kind](io.BytesIO(data)) as image:
            _check_size(image.size, max_pixels)
            if kind == "JPEG":
                size = image.size
                pixels = _jpeg_pixels(image, data, max_side)
            else:
                _drop_xmp(image)  # Pillow turns TIFF as it loads it
                image.load()
                size = image.size  # as decoded: the header of a HEIC file may be wrong
                _check_size(size, max_pixels)
                pixels = _to_rgb(image)
            # Read after the pixels: Pillow has turned TIFF by now and says so, libheif has
            # turned HEIC but leaves the old orientation in its EXIF.
            orientation = 1 if kind == "HEIC" else exif_orientation(image)
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"damaged or unsupported {kind}: {_one_line(error)}") from error
    pixels = _turn(_shrink(pixels, max_side), orientation)
    width, height = size[::-1] if orientation >= 5 else size
    return Photo(pixels, width, height, kind)


def _jpeg_pixels(image: ImageFile.ImageFile, data: bytes, max_side: int | None) -> ImageArray:
    if image.info.get("progressive") and scan_count(data) > _MAX_JPEG_SCANS:
        raise ImageError(f"a JPEG of more than {_MAX_JPEG_SCANS} scans")
    if image.mode in ("RGB", "L"):
        pixels = decode_jpeg(data, image.size, max_side)
        if pixels is not None:
            return pixels
    if max_side is not None:
        image.draft(None, (max_side, max_side))
    return _to_rgb(image)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"no pixels ({width} x {height})")
    if width * height > max_pixels:
        raise ImageError(f"{width} x {height} pixels, over the limit of {max_pixels:,}")


def exif_orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8 of an image of Pillow's; 1 where the metadata are damaged.

    That of XMP, which Pillow falls back on and other viewers do not, counts for nothing.
    """
    try:
        _drop_xmp(image)
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - see _decode
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _drop_xmp(image: Image.Image) -> None:
    for key in ("xmp", "XML:com.adobe.xmp"):
        image.info.pop(key, None)


def _to_rgb(image: Image.Image) -> ImageArray:
    if image.mode.startswith("I;16"):
        wide = np.asarray(image).astype(np.uint32)
        grey = ((wide * 255 + 32767) // 65535).astype(np.uint8)
        transparent = image.info.get("transparency")
        if transparent is not None:  # of PNG: this one value
            grey[wide == transparent] = 255
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise ImageError("32-bit grey, which has no defined white")
    if image.mode in ("La", "RGBa"):  # premultiplied alpha, in TIFF
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _shrink(pixels: ImageArray, max_side: int | None) -> ImageArray:
    height, width = pixels.shape[:2]
    if max_side is None or max(height, width) <= max_side:
        return pixels
    scale = max_side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return _uint8(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _turn(pixels: ImageArray, orientation: int) -> ImageArray:
    """Undo EXIF orientations 2 to 8 (Exif 2.32, tag 0x0112)."""
    if orientation in (2, 3, 4):
        return _uint8(cv2.flip(pixels, {2: 1, 3: -1, 4: 0}[orientation]))
    if orientation in (5, 7):
        transposed = cv2.transpose(pixels)
        return _uint8(transposed if orientation == 5 else cv2.flip(transposed, -1))
    if orientation == 6:
        return _uint8(cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE))
    if orientation == 8:
        return _uint8(cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE))
    return pixels


def _uint8(pixels: np.ndarray) -> ImageArray:
    return np.ascontiguousarray(pixels, dtype=np.uint8)
