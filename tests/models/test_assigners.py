"""Assigners: every face gets points, and those lie where the face is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faceflow_ml.models.assigners import atss, simota
from faceflow_ml.models.mobilenetv3_fpn import make_points


def test_no_faces_no_positives() -> None:
    points = make_points(64, 64)
    assert (atss(points, torch.zeros(0, 4)) == -1).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(10, 240), st.floats(10, 240), st.floats(6, 200), st.floats(6, 200)),
        min_size=1,
        max_size=1,
    )
)
def test_atss_gives_a_lone_face_points_inside_it(faces: list[tuple[float, ...]]) -> None:
    points = make_points(256, 256)
    cx, cy, w, h = torch.tensor(faces).unbind(1)
    boxes = torch.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], dim=1)
    assigned = atss(points, boxes)
    mine = points.centres[assigned == 0]
    assert len(mine) >= 1
    if len(mine) > 1:  # a face that lies between the points has only the nearest
        assert ((mine > boxes[0, :2]) & (mine < boxes[0, 2:])).all()


def test_atss_prefers_the_stride_that_fits() -> None:
    points = make_points(256, 256)
    small = atss(points, torch.tensor([[100.0, 100, 140, 140]]))
    large = atss(points, torch.tensor([[20.0, 20, 230, 230]]))
    assert points.strides[small == 0].mean() < 12
    assert points.strides[large == 0].mean() > 20


def test_overlapping_faces_share_the_points() -> None:
    points = make_points(256, 256)
    boxes = torch.tensor([[50.0, 50, 130, 130], [90.0, 50, 170, 130]])
    assigned = atss(points, boxes)
    assert (assigned == 0).any() and (assigned == 1).any()


def test_simota_takes_the_points_that_predict_best() -> None:
    points = make_points(128, 128)
    boxes = torch.tensor([[32.0, 32, 96, 96]])
    predicted = torch.zeros(len(points.strides), 4)
    good = torch.nonzero((points.centres == torch.tensor([60.0, 60.0])).all(1))[0, 0]
    predicted[good] = boxes[0]
    assigned = simota(points, boxes, torch.zeros(len(points.strides)), predicted)
    assert assigned[good] == 0
    assert (assigned == 0).sum() == pytest.approx(1, abs=0)
