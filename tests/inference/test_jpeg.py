"""OpenCV reads JPEGs, whole and reduced, as Pillow does."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from faceflow_ml.inference.jpeg import decode_jpeg
from tests.inference.pictures import encode, error_of, smooth


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_whole_photo_has_the_pixels_of_pillow(options: dict) -> None:
    data = encode(smooth(), "JPEG", **options)
    photo = Image.open(io.BytesIO(data))
    decoded = decode_jpeg(data, photo.size, None)
    assert decoded is not None
    np.testing.assert_array_equal(decoded, np.asarray(photo))


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_a_large_photo_is_decoded_at_a_fraction(factor: int) -> None:
    image = smooth()
    large = cv2.resize(image, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    height, width = large.shape[:2]
    decoded = decode_jpeg(encode(large, "JPEG"), (width, height), max(width, height) // factor)
    assert decoded is not None
    assert decoded.shape == (-(-height // factor), -(-width // factor), 3)
    assert error_of(decoded, cv2.resize(image, decoded.shape[1::-1])) < 6


def test_grey_has_three_equal_channels() -> None:
    grey = smooth()[..., 0]
    decoded = decode_jpeg(encode(grey, "JPEG"), grey.shape[::-1], None)
    assert decoded is not None
    assert (decoded == decoded[..., :1]).all()
    assert error_of(decoded[..., 0], grey) < 2


def test_what_is_no_whole_jpeg_is_left_to_others() -> None:
    data = encode(smooth(), "JPEG")
    size = Image.open(io.BytesIO(data)).size
    assert decode_jpeg(data[: len(data) // 2], size, None) is None
    assert decode_jpeg(data, (size[0] + 1, size[1]), None) is None
