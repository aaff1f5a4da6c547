"""Ids and their numbers, against a dictionary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.domain.id_index import IdIndex
from api.domain.state import as_ids

_TEXTS = st.lists(st.text("abc", min_size=1, max_size=3), max_size=30)


@given(first=_TEXTS, second=_TEXTS, third=_TEXTS)
def test_it_knows_what_a_dictionary_knows(
    first: list[str], second: list[str], third: list[str]
) -> None:
    everyone = [*first, *second, *third]
    expected = {text: number for number, text in enumerate(everyone)}
    index = IdIndex(as_ids(first)).extended(as_ids(second)).extended(as_ids(third))
    asked = [*everyone, "d", "", "a" * 27]
    assert index.find(asked).tolist() == [expected.get(text, -1) for text in asked]
    assert len(index) == len(everyone)
    assert set(index) == set(expected)
    assert index.order.tolist() == np.argsort(as_ids(everyone), kind="stable").tolist()


def test_a_longer_id_is_no_other() -> None:
    known = "0" * 26
    index = IdIndex(as_ids([known]))
    assert index[known] == 0
    assert known in index
    assert known + "0" not in index
    assert index.get("1") is None
    with pytest.raises(KeyError):
        index["1"]
