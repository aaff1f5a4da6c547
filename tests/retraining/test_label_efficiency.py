"""The simulation counts edits rightly, and corrections help."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faceflow_ml import FaceEmbedder
from faceflow_ml.errors import ConfigError
from pipelines.retraining.simulation import (
    SimulationSpec,
    correct,
    edits_needed,
    homes,
    simulate,
)
from pipelines.retraining.simulation_report import write_page


def test_a_group_is_the_home_of_whom_it_has_most() -> None:
    groups = np.array([0, 0, 0, 1, 1, 2])
    person = np.array([7, 7, 8, 8, 8, 9])
    assert homes(groups, person) == {7: 0, 8: 1, 9: 2}


def test_edits_of_new_faces() -> None:
    person = np.array([0, 0, 1, 1, 0, 0, 1, 1, 2])
    new = np.array([False] * 4 + [True] * 5)
    #          right; two of one person in a wrong group; alone but known; alone and unknown
    groups = np.array([0, 0, 1, 1, 0, 1, 0, 0, -1])
    assert edits_needed(groups, person, new) == 2
    groups[6] = -1
    assert edits_needed(groups, person, new) == 3


def test_corrections_end_in_a_right_album_one_mistake_at_a_time() -> None:
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(6), 5)
    groups = rng.integers(-1, 4, len(person))
    steps = 0
    while correct(groups, person):
        steps += 1
        assert steps < 100
    assert edits_needed(groups, person, np.ones(len(person), bool)) == 0
    assert not correct(groups, person)
    for who in range(6):
        assert len(set(groups[person == who])) == 1


def test_corrections_save_edits_of_later_photos(embedder: FaceEmbedder, tmp_path: Path) -> None:
    spec = SimulationSpec(people=24, photos=60, new_photos=30, corrections=(0, 2, 40), seeds=(3,))
    curve = simulate(spec, embedder)
    first, middle, last = curve.points
    assert first.mean > 0 and last.mean < first.mean
    assert first.made == 0 and 0 < middle.made <= 2 and last.made < 40
    write_page(curve, tmp_path / "page.md", tmp_path / "images" / "plot.png")
    page = (tmp_path / "page.md").read_text()
    assert f"{first.mean:.3f}" in page and "(images/plot.png)" in page
    assert (tmp_path / "images/plot.png").stat().st_size > 1000


@pytest.mark.parametrize("corrections", [(), (1, 2), (0, 5, 3)])
def test_a_curve_starts_at_nothing_and_rises(corrections: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError):
        SimulationSpec(corrections=corrections)
