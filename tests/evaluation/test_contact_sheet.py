"""Sheets of small pictures: everything in its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from faceflow_ml.evaluation.contact_sheet import Tile, write_contact_sheet

BACKGROUND = (24, 24, 27)
GAP, TITLE, SIDE = 6, 24, 144


def test_a_long_caption_stays_under_its_picture(tmp_path: Path) -> None:
    picture = np.full((SIDE, SIDE, 3), 200, np.uint8)
    file = tmp_path / "sheet.png"
    write_contact_sheet(file, [("two", [Tile(picture, "x" * 80), Tile(picture, "")])], columns=2)
    sheet = np.asarray(Image.open(file))
    captions = sheet[GAP + TITLE + SIDE :]
    assert (captions[:, GAP : GAP + SIDE] != BACKGROUND).any()
    assert (captions[:, GAP + SIDE :] == BACKGROUND).all()
    assert (sheet[GAP + TITLE : GAP + TITLE + SIDE, GAP : GAP + SIDE] == 200).all()
