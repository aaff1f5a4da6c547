"""Every format and depth decodes right; everything else is an ImageError."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from faceflow_ml.errors import ImageError
from faceflow_ml.inference.images import IMAGE_SUFFIXES, ImageLimits, load_image, load_photo
from tests.inference.pictures import encode, error_of, smooth

WHITE = 255


LOSSLESS = [
    ("PNG", {}),
    ("WEBP", {"lossless": True}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ("BMP", {}),
]
LOSSY = [
    ("JPEG", {"quality": 95, "subsampling": 0}),
    ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}),
    ("WEBP", {"quality": 95}),
    ("HEIF", {"quality": 95}),
]


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_lossless_formats_are_exact(kind: str, options: dict) -> None:
    image = smooth()
    np.testing.assert_array_equal(load_image(encode(image, kind, **options)), image)


@pytest.mark.parametrize(("kind", "options"), LOSSY)
def test_lossy_formats_are_close(kind: str, options: dict) -> None:
    image = smooth()
    assert error_of(load_image(encode(image, kind, **options)), image) < 6


def test_red_is_the_first_channel_in_jpeg() -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    image[..., 0] = 255
    red, green, blue = load_image(encode(image, "JPEG"))[8, 8]
    assert red > 240
    assert max(green, blue) < 15


def test_grey_jpeg_and_png_have_three_equal_channels() -> None:
    grey = smooth()[..., 0]
    for kind in ("JPEG", "PNG"):
        loaded = load_image(encode(grey, kind))
        assert (loaded == loaded[..., :1]).all()
        assert error_of(loaded[..., 0], grey) < 2


def test_cmyk_jpeg_keeps_its_colours() -> None:
    image = smooth()
    loaded = load_image(encode(Image.fromarray(image).convert("CMYK"), "JPEG", quality=95))
    assert error_of(loaded, image) < 3


def test_palette_and_bilevel_png() -> None:
    red = Image.new("P", (5, 4))
    red.putpalette([255, 0, 0] * 256)
    assert (load_image(encode(red, "PNG")) == [255, 0, 0]).all()
    assert (load_image(encode(Image.new("1", (5, 4), 1), "PNG")) == WHITE).all()


def test_transparency_is_shown_on_white() -> None:
    image = Image.new("RGBA", (4, 1))
    for x, alpha in enumerate((0, 255, 128, 0)):
        image.putpixel((x, 0), (200, 0, 0, alpha))
    for data in (encode(image, "PNG"), encode(image, "WEBP", lossless=True, exact=True)):
        row = load_image(data)[0].astype(int)
        assert row[0].tolist() == [255, 255, 255]
        assert row[1].tolist() == [200, 0, 0]
        assert np.abs(row[2] - [227, 127, 127]).max() <= 1


def test_transparent_palette_and_grey_alpha() -> None:
    palette = Image.new("P", (3, 3), 0)
    palette.putpalette([10, 20, 30] * 256)
    assert (load_image(encode(palette, "PNG", transparency=0)) == WHITE).all()
    assert (load_image(encode(Image.new("LA", (3, 3), (7, 0)), "PNG")) == WHITE).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    wide = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, axis=0)
    loaded = load_image(encode(wide, kind))
    assert np.abs(loaded[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_transparent_16_bit_grey_is_white() -> None:
    wide = np.array([[1000, 30000], [30001, 65535]], np.uint16)
    loaded = load_image(encode(wide, "PNG", transparency=30000))
    assert loaded[..., 0].tolist() == [[4, 255], [117, 255]]


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bit_colour_is_scaled_not_clipped(suffix: str) -> None:
    image = smooth()
    ok, data = cv2.imencode(suffix, image[..., ::-1].astype(np.uint16) * 257)
    assert ok
    assert np.abs(load_image(data.tobytes()).astype(int) - image).max() <= 1


def test_32_bit_grey_is_refused() -> None:
    data = encode(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF")
    with pytest.raises(ImageError, match="32-bit grey"):
        load_image(data)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_several(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert (load_image(data) == [255, 0, 0]).all()


# What the Exif standard says row 0 and column 0 of the stored image show.
@pytest.mark.parametrize("max_side", [1, 10, 47, 48, 95, 96, 500])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "CMYK"])
def test_max_side_reduces_and_never_enlarges(max_side: int, kind: str) -> None:
    image = Image.fromarray(smooth())
    data = encode(image.convert("CMYK"), "JPEG") if kind == "CMYK" else encode(image, kind)
    photo = load_photo(data, max_side=max_side)
    assert max(photo.pixels.shape[:2]) == min(max_side, 96)
    assert (photo.width, photo.height) == (96, 60)
    mean = smooth().mean(axis=(0, 1))
    assert np.abs(photo.pixels.mean(axis=(0, 1)) - mean).max() < 6


@pytest.mark.parametrize("value", [0, -1])
def test_max_side_must_be_positive(value: int) -> None:
    with pytest.raises(ValueError, match="max_side"):
        load_image(encode(smooth(), "PNG"), max_side=value)


def test_sources_paths_bytes_and_files(tmp_path: Path) -> None:
    image = smooth()
    data = encode(image, "PNG")
    path = tmp_path / "größe 写真 .jpg"  # the content decides, not the name
    path.write_bytes(data)
    for source in (path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data)):
        np.testing.assert_array_equal(load_image(source), image)
    with path.open("rb") as file:
        np.testing.assert_array_equal(load_image(file), image)
    with path.open(encoding="latin-1") as text, pytest.raises(ImageError, match="binary mode"):
        load_image(text)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="closed file"):
        load_image(file)
    with pytest.raises(ImageError, match="expected a path"):
        load_image(7)  # type: ignore[arg-type]


def test_result_is_writable_and_contiguous() -> None:
    for data in (encode(smooth(), "JPEG"), encode(smooth(), "PNG"), encode(smooth(), "GIF")):
        loaded = load_image(data)
        assert loaded.flags.c_contiguous
        assert loaded.dtype == np.uint8
        loaded[0, 0] = 1


def test_suffixes_are_lower_case_with_a_dot() -> None:
    assert {".jpg", ".heic", ".tiff", ".webp"} <= IMAGE_SUFFIXES
    assert all(s.startswith(".") and s == s.lower() for s in IMAGE_SUFFIXES)


def every_format() -> list[tuple[str, bytes]]:
    image = smooth()
    files = [(f"{kind}-{i}", encode(image, kind, **o)) for i, (kind, o) in enumerate(LOSSLESS)]
    files += [(f"{kind}-lossy{i}", encode(image, kind, **o)) for i, (kind, o) in enumerate(LOSSY)]
    files.append(("CMYK", encode(Image.fromarray(image).convert("CMYK"), "JPEG")))
    files.append(("GIF", encode(image, "GIF")))
    return files


@pytest.mark.parametrize(
    ("name", "data"), every_format(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_file_cut_short_is_never_a_half_picture(name: str, data: bytes) -> None:
    whole = load_image(data)
    cuts = {*range(0, len(data), max(1, len(data) // 60)), *range(len(data) - 12, len(data))}
    refused = 0
    for cut in cuts:
        try:
            # Bytes after the pixels (an index, padding) may go; pixels may not.
            np.testing.assert_array_equal(load_image(data[:cut]), whole)
        except ImageError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > len(cuts) // 2, name


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def test_bombs_are_refused_by_their_header() -> None:
    gif = bytearray(encode(smooth(), "GIF"))
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    bmp = bytearray(encode(smooth(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 100_000, 100_000)
    webp = b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\x3f\0" * 2 + b"VP8 \0\0\0\0"
    started = time.perf_counter()
    for data in (png_header(60_000, 60_000), bytes(gif), bytes(bmp)):
        with pytest.raises(ImageError, match="over the limit"):
            load_image(data)
    with pytest.raises(ImageError):
        load_image(webp)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("name", "data"), every_format(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_limits_hold_for_every_format(name: str, data: bytes) -> None:
    with pytest.raises(ImageError, match="pixels, over the limit of 5,759"):
        load_image(data, limits=ImageLimits(max_pixels=60 * 96 - 1))
    with pytest.raises(ImageError, match="over the limit of"):
        load_image(data, limits=ImageLimits(max_bytes=len(data) - 1))
    exact = ImageLimits(max_pixels=60 * 96, max_bytes=len(data))
    assert load_image(data, limits=exact).shape == (60, 96, 3)


def test_byte_limit_is_checked_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "sparse.jpg"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)  # 10 GiB that take no room on disk
    with pytest.raises(ImageError, match="10,737,418,240 bytes, over the limit"):
        load_image(path)


def test_jpeg_of_a_thousand_scans_is_refused() -> None:
    data = encode(smooth(), "JPEG", progressive=True)
    scan = data.rindex(b"\xff\xda")
    again = data[scan:-2]
    with pytest.raises(ImageError, match="scans"):
        load_image(data[:-2] + again * 1000 + b"\xff\xd9")


def test_jpeg_with_a_film_behind_it_is_a_photo() -> None:
    image = smooth()
    film = np.random.default_rng(0).bytes(100_000) + b"\xff\xda\0\x02" * 500
    data = encode(image, "JPEG", progressive=True, quality=95) + film
    assert error_of(load_image(data), image) < 4


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\xff", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (b"%PDF-1.7", "not an image"),
        (b"\xff\xd8\xff", "JPEG"),
        (png_header(0, 5), "."),
        (b"GIF89a\0\0\0\0\0\0\0;", "."),
    ],
)
def test_no_image_has_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as caught:
        load_image(data)
    assert len(str(caught.value)) < 300


def test_bad_paths_have_a_reason_and_the_name(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    expected = {
        "missing.jpg": "No such file",
        "empty.jpg": "empty",
        "loop.jpg": "symbolic links",
        "pipe.jpg": "a pipe or a device",
        "folder.jpg": "a folder",
        "nul\0.jpg": "null",
    }
    for name, reason in expected.items():
        with pytest.raises(ImageError, match=reason) as caught:
            load_image(tmp_path / name)
        assert str(caught.value).startswith(repr(name))
    with pytest.raises(ImageError, match="device"):
        load_image("/dev/zero")


def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(encode(smooth(), "JPEG"))
    path.chmod(0)
    root = os.geteuid() == 0  # who may read it all the same
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(ImageError, match="Permission denied"):
            load_image(path)
    finally:
        if root:
            os.seteuid(0)
