"""Metadata is untrusted: whatever it says, there is an answer, and it is in range."""

from __future__ import annotations

import io
import random
from typing import Any

import pytest
from PIL import Image

from api.domain.models import Exif
from api.workflow.exif import read_exif

from .conftest import photo_bytes


def with_tags(tags: dict[int, Any], gps: dict[int, Any] | None = None) -> bytes:
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    if gps:
        exif.get_ifd(0x8825).update(gps)
    return photo_bytes(1, exif=exif)


def test_no_metadata() -> None:
    assert read_exif(photo_bytes(1), "JPEG") == Exif()
    assert read_exif(b"\xff\xd8\xff nothing", "JPEG") == Exif()


def test_orientation_is_that_of_the_pixels() -> None:
    assert read_exif(with_tags({0x0112: 6, 0x0110: "Camera"}), "JPEG").orientation == 6
    assert read_exif(with_tags({0x0112: 77, 0x0110: "Camera"}), "JPEG").orientation == 1
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )
    data = photo_bytes(1, xmp=xmp)
    assert Image.open(io.BytesIO(data)).getexif()[0x0112] == 6  # Pillow's own reading
    assert read_exif(data, "JPEG").orientation == 1  # as the photo is decoded


@pytest.mark.parametrize(
    "text",
    ["0000:00:00 00:00:00", "2024:13:45 99:99:99", "yesterday", "\x01\x02", "0001:01:01 0:0:0"],
)
def test_times_that_make_no_sense_are_left_out(text: str) -> None:
    assert read_exif(with_tags({0x0132: text}), "JPEG").taken_at is None


@pytest.mark.parametrize(
    "gps",
    [
        {1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (8.0, 0.0, 0.0)},
        {1: "N", 2: (47.0, 0.0, 0.0)},
        {2: (47.0, 0.0), 4: (8.0, 0.0)},
    ],
)
def test_places_that_make_no_sense_are_left_out(gps: dict[int, Any]) -> None:
    found = read_exif(with_tags({0x0110: "Camera"}, gps), "JPEG")
    assert found.latitude is None and found.longitude is None and found.camera == "Camera"


def test_control_characters_are_removed_and_text_is_short() -> None:
    found = read_exif(with_tags({0x010F: "Ev\x1bil\x07", 0x0110: "x" * 5000}), "JPEG")
    assert found.camera is not None
    assert found.camera.startswith("Evil x") and len(found.camera) < 250


def test_damaged_metadata_spoils_nothing() -> None:
    good = bytearray(
        with_tags(
            {0x0110: "Camera", 0x0112: 6, 0x0132: "2024:07:01 12:30:00"},
            {1: "N", 2: (47.0, 30.0, 0.0), 3: "E", 4: (8.0, 0.0, 0.0)},
        )
    )
    rng = random.Random(0)
    for _ in range(300):
        data = bytearray(good)
        for _ in range(8):
            data[rng.randrange(12, 260)] = rng.randrange(256)
        found = read_exif(bytes(data), "JPEG")
        assert 1 <= found.orientation <= 8
        assert found.latitude is None or -90 <= found.latitude <= 90
        assert found.longitude is None or -180 <= found.longitude <= 180
