"""Shared copies show the same pixels and say nothing else."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

from api.sharing.containers import (
    Unreadable,
    exif_orientation,
    orientation_exif,
    strip_jpeg,
    strip_png,
    strip_webp,
)
from api.sharing.copies import VIEW_SIDE, clean_copy, raw_copy, view_copy
from faceflow_ml.errors import ImageError
from faceflow_ml.inference.images import load_image

SECRET = b"SECRET-TRACE"
"""Is in every piece of metadata below."""
_TEXT = SECRET.decode()


def pixels(size: tuple[int, int] = (40, 24)) -> Image.Image:
    across, down = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    return Image.fromarray(np.dstack([across, down, 255 - across]).astype(np.uint8))


def exif(orientation: int = 1) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    block[0x010F] = _TEXT  # make
    block.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 11.0), 29: _TEXT})  # GPS
    block.get_ifd(0x8769).update({0x927C: SECRET * 9, 0x9286: SECRET})  # maker note, comment
    return block.tobytes()


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + SECRET + b"</x:xmpmeta>"


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def full_jpeg(orientation: int = 1, **options: object) -> bytes:
    out = io.BytesIO()
    options = {"quality": 95, "icc_profile": profile(), "comment": SECRET, "xmp": XMP} | options
    pixels().save(out, "JPEG", exif=exif(orientation), **options)
    data = out.getvalue()
    iptc = segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0" + SECRET)
    multi = segment(0xE2, b"MPF\0" + SECRET)
    thumbnail = segment(0xE0, b"JFXX\0\x10" + SECRET)
    maker = segment(0xE5, SECRET) + segment(0xEB, b"JP" + SECRET)
    return data[:2] + thumbnail + iptc + multi + maker + data[2:] + b"\xff\xd8" + SECRET


def full_png(orientation: int = 1) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", _TEXT)
    info.add_text("Author", _TEXT, zip=True)
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    out = io.BytesIO()
    pixels().save(out, "PNG", pnginfo=info, exif=exif(orientation), icc_profile=profile())
    data = out.getvalue()
    body = b"prVt" + SECRET
    private = struct.pack(">I", len(SECRET)) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + private + data[33:] + SECRET


def full_webp(orientation: int = 1, **options: object) -> bytes:
    out = io.BytesIO()
    pixels().save(out, "WEBP", exif=exif(orientation), xmp=XMP, icc_profile=profile(), **options)
    return out.getvalue()


def full_tiff() -> bytes:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[270] = info[315] = _TEXT
    info[700] = XMP
    out = io.BytesIO()
    pixels().save(out, "TIFF", tiffinfo=info, icc_profile=profile())
    return out.getvalue()


def full_heic() -> bytes:
    out = io.BytesIO()
    heif = pillow_heif.from_pillow(pixels((64, 48)))
    heif.save(out, exif=exif(), xmp=XMP, quality=90)
    return out.getvalue()


def full_gif() -> bytes:
    out = io.BytesIO()
    pixels().save(out, "GIF", comment=SECRET)
    return out.getvalue()


MAKERS = {
    "jpeg": full_jpeg,
    "progressive": lambda: full_jpeg(progressive=True),
    "png": full_png,
    "webp": full_webp,
    "lossless webp": lambda: full_webp(lossless=True),
    "tiff": full_tiff,
    "heic": full_heic,
    "gif": full_gif,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_no_metadata_is_left(kind: str) -> None:
    original = MAKERS[kind]()
    assert SECRET in original, "the test has something to find"
    for make in (clean_copy, view_copy):
        copy = make(original)
        assert SECRET not in copy.data
        with Image.open(io.BytesIO(copy.data)) as image:
            image.load()
            assert dict(image.getexif()) == {}
            named = {"xmp", "comment", "photoshop", "XML:com.adobe.xmp", "Comment", "Author"}
            assert not named & image.info.keys()
            assert image.get_format_mimetype() == copy.content_type


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
@pytest.mark.parametrize("kind", ["jpeg", "progressive", "png", "webp", "lossless webp"])
def test_pixels_and_colours_stay_to_the_bit(kind: str) -> None:
    original = MAKERS[kind]()
    copy = clean_copy(original)
    with Image.open(io.BytesIO(original)) as before, Image.open(io.BytesIO(copy.data)) as after:
        assert np.array_equal(np.asarray(before), np.asarray(after))
        assert after.info["icc_profile"] == before.info["icc_profile"]
    assert clean_copy(copy.data) == copy, "cleaning twice changes nothing"


@pytest.mark.parametrize("make", [full_jpeg, full_png, full_webp])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_stays(make: object, orientation: int) -> None:
    original = make(orientation)  # type: ignore[operator]
    copy = clean_copy(original)
    assert SECRET not in copy.data
    assert np.array_equal(load_image(copy.data), load_image(original))
    with Image.open(io.BytesIO(copy.data)) as image:
        wanted = {} if orientation == 1 else {0x0112: orientation}
        assert dict(image.getexif()) == wanted and image.getexif().get_ifd(0x8825) == {}


def test_cmyk_and_grey_jpeg_stay() -> None:
    for mode in ("CMYK", "L"):
        out = io.BytesIO()
        pixels().convert(mode).save(out, "JPEG", comment=SECRET)
        copy = clean_copy(out.getvalue()).data
        assert SECRET not in copy
        assert np.array_equal(load_image(copy), load_image(out.getvalue()))


def test_heic_becomes_an_upright_jpeg_of_nearly_the_same_pixels() -> None:
    original = full_heic()
    copy = clean_copy(original)
    assert copy.extension == "jpg"
    difference = load_image(copy.data).astype(int) - load_image(original)
    assert np.abs(difference).mean() < 3


def test_view_copies_are_small_and_upright() -> None:
    out = io.BytesIO()
    pixels((3000, 1000)).save(out, "JPEG", exif=exif(6))
    with Image.open(io.BytesIO(view_copy(out.getvalue()).data)) as image:
        assert image.size == (round(VIEW_SIDE / 3), VIEW_SIDE)


def test_kept_metadata_is_the_file_itself() -> None:
    original = full_jpeg()
    copy = raw_copy(original)
    assert copy.data == original and copy.content_type == "image/jpeg"
    assert raw_copy(full_heic()).extension == "heic"


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff", b"not an image at all", b"\x89PNG\r\n\x1a\n"]
)
def test_no_image_is_an_image_error(data: bytes) -> None:
    with pytest.raises(ImageError):
        clean_copy(data)


@given(st.sampled_from(["jpeg", "png", "webp"]), st.data())
def test_damaged_files_never_leak(kind: str, draw: st.DataObject) -> None:
    original = bytearray(_made(kind))
    start = draw.draw(st.integers(2, len(original) - 1))
    cut = draw.draw(st.integers(0, 40))
    damaged = bytes(original[:start] + original[start + cut :])
    for strip in (strip_jpeg, strip_png, strip_webp):
        try:
            stripped = strip(damaged)
        except Unreadable:
            continue
        # Damage may turn metadata into pixels or tables, but never keep a segment of it.
        assert b"Exif\0\0MM\0*\0\0\0\x08\0\x05" not in stripped
        assert b"xmpmeta" not in stripped or kind == "png"


_cache: dict[str, bytes] = {}


def _made(kind: str) -> bytes:
    return _cache.setdefault(kind, MAKERS[kind]())


@given(st.integers(1, 8))
def test_orientation_block(orientation: int) -> None:
    assert exif_orientation(orientation_exif(orientation)) == orientation


@given(st.binary(max_size=60))
def test_any_exif_gives_an_orientation(data: bytes) -> None:
    assert 1 <= exif_orientation(b"MM\0*" + data) <= 8


def test_jpeg_cut_short_is_still_clean(tmp_path: Path) -> None:
    whole = full_jpeg()
    body = whole[: whole.rindex(b"\xff\xd9")]
    copy = strip_jpeg(body[:-40])
    assert SECRET not in copy and copy.endswith(b"\xff\xd9")
