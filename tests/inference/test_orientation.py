"""Photos are turned as their EXIF says, once, and by nothing else."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from faceflow_ml.inference.images import load_image, load_photo
from tests.inference.pictures import encode, error_of, smooth

ORIENT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


def oriented(image: np.ndarray, orientation: int, kind: str, **options) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(ORIENT[orientation](image)))
    return encode(stored, kind, exif=exif.tobytes(), **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_orientation_is_undone(orientation: int, kind: str) -> None:
    image = smooth()
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(load_image(oriented(image, orientation, kind, **options)), image)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("max_side", [None, 24])
def test_orientation_of_jpeg_at_every_scale(
    orientation: int, progressive: bool, max_side: int | None
) -> None:
    image = smooth()
    data = oriented(image, orientation, "JPEG", quality=95, progressive=progressive)
    photo = load_photo(data, max_side=max_side)
    expected = image
    if max_side is not None:
        expected = cv2.resize(image, (24, 15), interpolation=cv2.INTER_AREA)
    assert error_of(photo.pixels, expected) < 4
    assert (photo.width, photo.height, photo.format) == (96, 60, "JPEG")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_not_taken_from_xmp(kind: str) -> None:
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        data = encode(smooth(), kind, pnginfo=text)
    elif kind == "TIFF":
        data = encode(smooth(), kind, tiffinfo={700: xmp})
    else:
        data = encode(smooth(), kind, xmp=xmp)
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.getexif()[0x0112] == 6  # so that there is something to pass over
    assert load_image(data).shape == smooth().shape
    assert load_photo(data).width == 96


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_once(orientation: int) -> None:
    image = smooth()
    loaded = load_image(oriented(image, orientation, "HEIF", quality=95))
    assert error_of(loaded, image) < 6


def test_damaged_or_absurd_exif_does_not_lose_the_photo() -> None:
    image = smooth()
    for exif in (b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM", b"Exif\0\0" + b"\xff" * 40):
        assert load_image(encode(image, "JPEG", exif=exif)).shape == image.shape
    exif = Image.Exif()
    exif[0x0112] = 77
    assert load_image(encode(image, "JPEG", exif=exif.tobytes())).shape == image.shape
