from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.repositories.table import (
    ABSENT,
    PRESENT,
    TRANSACTION_LIMIT,
    BadCursor,
    Check,
    ConditionFailed,
    Delete,
    Expect,
    Index,
    Item,
    Key,
    Put,
    Table,
    Update,
    query_all,
    query_index_all,
)

A, B = Key("USER#a", "ALBUM#1"), Key("USER#a", "ALBUM#2")


def test_what_is_put_is_there_with_every_type_of_json(table: Table) -> None:
    item = {
        "text": "Zoë \U0001f600 'quoted' \x00",
        "whole": 2**60,
        "number": 0.1,
        "yes": True,
        "nothing": None,
        "list": [1, [2, {"x": "y"}]],
        "map": {"a": {"b": []}},
    }
    table.write(Put(A, item))
    assert table.get(A) == item
    assert table.get(B) is None


def test_a_put_replaces_the_whole_item(table: Table) -> None:
    table.write(Put(A, {"x": 1, "gsi1pk": "p", "gsi1sk": "s"}))
    table.write(Put(A, {"y": 2}))
    assert table.get(A) == {"y": 2}
    assert table.query_index(Index.GSI1, "p").items == ()


def test_an_update_sets_adds_and_removes(table: Table) -> None:
    table.write(Update(A, {"x": 1}, {"count": 5}))
    table.write(Update(A, {"y": "z", "x": None}, {"count": -2, "other": 1}))
    assert table.get(A) == {"count": 3, "y": "z", "other": 1}


@pytest.mark.parametrize(
    ("expect", "holds"),
    [
        (ABSENT, False),
        (PRESENT, True),
        (Expect(values={"x": 1}), True),
        (Expect(values={"x": 2}), False),
        (Expect(values={"missing": None}), True),
        (Expect(True, {"x": None}), False),
        (Expect(at_most={"x": 1}), True),
        (Expect(at_most={"x": 0}), False),
        (Expect(at_most={"missing": 0}), True),
        (Expect(at_most={"missing": -1}), False),
    ],
)
@pytest.mark.parametrize(
    "write", [Put(A, {"n": 1}), Update(A, {"n": 1}), Delete(A)], ids=["put", "update", "delete"]
)
def test_a_write_happens_only_if_the_item_is_as_expected(
    table: Table, write: Put | Update | Delete, expect: Expect, holds: bool
) -> None:
    before = {"x": 1}
    table.write(Put(A, before))
    conditional = type(write)(**(vars(write) | {"expect": expect}))
    if holds:
        table.write(conditional)
        assert table.get(A) != before
    else:
        with pytest.raises(ConditionFailed) as failed:
            table.write(conditional)
        assert failed.value.key == A
        assert table.get(A) == before


def test_conditions_on_an_item_that_is_not_there(table: Table) -> None:
    with pytest.raises(ConditionFailed):
        table.write(Update(A, {"x": 1}, expect=PRESENT))
    with pytest.raises(ConditionFailed):
        table.write(Delete(A, PRESENT))
    table.write(Delete(A))
    table.write(Put(A, {"x": 1}, ABSENT))
    assert table.get(A) == {"x": 1}


def test_a_transaction_is_all_or_nothing(table: Table) -> None:
    table.write(Put(A, {"x": 1}))
    with pytest.raises(ConditionFailed) as failed:
        table.transact([Put(B, {"y": 1}), Update(A, {"x": 2}), Check(Key("c", "c"), PRESENT)])
    assert failed.value.key == Key("c", "c")
    assert (table.get(A), table.get(B)) == ({"x": 1}, None)
    table.transact([Put(B, {"y": 1}), Delete(A), Check(Key("c", "c"), ABSENT)])
    assert (table.get(A), table.get(B)) == (None, {"y": 1})


def test_a_transaction_has_limits(table: Table) -> None:
    keys = [Key("p", f"{n:03}") for n in range(TRANSACTION_LIMIT + 1)]
    with pytest.raises(ValueError, match="101 writes"):
        table.transact([Put(key, {}) for key in keys])
    with pytest.raises(ValueError, match="one key"):
        table.transact([Put(A, {}), Delete(A)])
    table.transact([Put(key, {}) for key in keys[:-1]])
    assert len(table.query("p").items) == TRANSACTION_LIMIT


def test_many_reads_and_writes(table: Table) -> None:
    keys = [Key(f"p{n % 3}", f"{n:05}") for n in range(5000)]
    table.write_many([Put(key, {"n": n}) for n, key in enumerate(keys)])
    table.write_many([*(Update(key, add={"n": 1}) for key in keys[:10]), Delete(keys[20])])
    found = table.get_many([keys[4999], keys[3], keys[20], Key("no", "no"), keys[3]])
    assert found == [{"n": 4999}, {"n": 4}, None, None, {"n": 4}]
    assert table.get_many([]) == []
    wanted = [keys[4999], keys[20], Key("no", "no"), Key(keys[3].pk, keys[4].sk), keys[4999]]
    assert table.existing(wanted) == {keys[4999]}
    assert table.existing(keys) == set(keys) - {keys[20]}
    assert table.existing([]) == set()
    with pytest.raises(ValueError, match="condition"):
        table.write_many([Put(A, {}, ABSENT)])


def _fill(table: Table) -> list[dict[str, Any]]:
    items = [
        {
            "n": n,
            "createdAt": f"2024-{12 - n % 12:02}-01T{n:02}",
            "gsi1pk": f"ALBUM#{n % 2}",
            "gsi1sk": f"{n % 5}",
            "gsi2pk": "all",
            "gsi2sk": f"x{n:02}",
        }
        for n in range(24)
    ]
    table.write_many([Put(Key("ALBUM#1", f"PHOTO#{n:02}"), item) for n, item in enumerate(items)])
    table.write(Put(Key("ALBUM#1", "PHOTOS"), {"other": "prefix"}))
    table.write(Put(Key("ALBUM#2", "PHOTO#00"), {"other": "partition"}))
    return items


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 5, 24, 100])
def test_a_query_pages_through_a_prefix_in_order(
    table: Table, limit: int, descending: bool
) -> None:
    items = _fill(table)
    found: list[Item] = []
    cursor = None
    while True:
        page = table.query("ALBUM#1", "PHOTO#", limit=limit, cursor=cursor, descending=descending)
        assert 0 < len(page.items) <= limit
        found += page.items
        if (cursor := page.cursor) is None:
            break
    assert found == (items[::-1] if descending else items)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("index", "partition", "prefix", "sort"),
    [
        (Index.LSI1, "ALBUM#1", "", "createdAt"),
        (Index.LSI1, "ALBUM#1", "2024-1", "createdAt"),
        (Index.GSI1, "ALBUM#0", "", "gsi1sk"),
        (Index.GSI1, "ALBUM#0", "3", "gsi1sk"),
        (Index.GSI2, "all", "x1", "gsi2sk"),
        (Index.GSI2, "none", "", "gsi2sk"),
    ],
)
def test_an_index_query_pages_in_its_order(
    table: Table, index: Index, partition: str, prefix: str, sort: str, descending: bool
) -> None:
    items = _fill(table)
    column = {"LSI1": None, "GSI1": "gsi1pk", "GSI2": "gsi2pk"}[index.name]
    wanted = [
        item
        for item in items
        if item[sort].startswith(prefix) and (column is None or item[column] == partition)
    ]
    found: list[Item] = []
    cursor = None
    while True:
        page = table.query_index(
            index, partition, prefix, limit=3, cursor=cursor, descending=descending
        )
        found += page.items
        if (cursor := page.cursor) is None:
            break
    order = [str(item[sort]) for item in found]
    assert order == sorted(order, reverse=descending)
    assert sorted(item["n"] for item in found) == sorted(item["n"] for item in wanted)


def test_an_index_follows_its_items(table: Table) -> None:
    table.write(Put(A, {"gsi1pk": "new", "gsi1sk": "1"}))
    table.write(Update(A, {"gsi1pk": "old"}))
    assert table.query_index(Index.GSI1, "new").items == ()
    assert len(table.query_index(Index.GSI1, "old").items) == 1
    table.write(Update(A, {"gsi1sk": None}))
    assert table.query_index(Index.GSI1, "old").items == ()
    table.write(Delete(A))
    assert table.query("USER#a").items == ()


def test_a_cursor_goes_on_after_its_item_is_gone(table: Table) -> None:
    _fill(table)
    page = table.query("ALBUM#1", "PHOTO#", limit=5)
    table.write(Delete(Key("ALBUM#1", "PHOTO#04")))
    rest = table.query("ALBUM#1", "PHOTO#", cursor=page.cursor)
    assert [item["n"] for item in rest.items] == list(range(5, 24))


def test_a_cursor_of_another_query_is_refused(table: Table) -> None:
    _fill(table)
    cursor = table.query("ALBUM#1", "PHOTO#", limit=5).cursor
    assert cursor is not None
    attempts: list[dict[str, Any]] = [
        {"pk": "ALBUM#2", "prefix": "PHOTO#", "cursor": cursor},
        {"pk": "ALBUM#1", "prefix": "PHOTO", "cursor": cursor},
        {"pk": "ALBUM#1", "prefix": "PHOTO#", "cursor": cursor, "descending": True},
        {"pk": "ALBUM#1", "prefix": "PHOTO#", "cursor": cursor[:-3]},
        {"pk": "ALBUM#1", "prefix": "PHOTO#", "cursor": "ä"},
        {"pk": "ALBUM#1", "prefix": "PHOTO#", "cursor": ""},
    ]
    for attempt in attempts:
        with pytest.raises(BadCursor):
            table.query(**attempt)
    with pytest.raises(BadCursor):
        table.query_index(Index.LSI1, "ALBUM#1", "PHOTO#", cursor=cursor)


def test_keys_of_a_partition_and_its_removal(table: Table) -> None:
    _fill(table)
    assert list(table.sort_keys("ALBUM#1")) == [*(f"PHOTO#{n:02}" for n in range(24)), "PHOTOS"]
    assert table.delete_partition("ALBUM#1") == 25
    assert list(table.sort_keys("ALBUM#1")) == []
    assert table.get(Key("ALBUM#2", "PHOTO#00")) == {"other": "partition"}


@pytest.mark.parametrize(
    "item",
    [
        {"x": float("nan")},
        {"x": float("inf")},
        {"gsi1pk": "", "gsi1sk": "s"},
        {"createdAt": 5},
        {"expiresAt": "soon"},
    ],
)
def test_what_cannot_be_kept_is_refused(table: Table, item: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        table.write(Put(A, item))
    assert table.get(A) is None
    with pytest.raises(ValueError, match="empty"):
        table.write(Put(Key("", "x"), {}))


def test_counters_lose_nothing_when_many_threads_add(table: Table) -> None:
    def add(_: int) -> None:
        table.write(Update(A, add={"n": 1}))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(200)))
    assert table.get(A) == {"n": 200}


def test_of_many_writers_that_want_one_place_one_gets_it(table: Table) -> None:
    def take(number: int) -> bool:
        try:
            table.transact([Put(A, {"by": number}, ABSENT), Update(B, add={"n": 1})])
        except ConditionFailed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(40))) == 1
    assert table.get(B) == {"n": 1}


_KEYS = st.builds(
    Key, st.sampled_from(["p", "q"]), st.sampled_from(["a", "aa", "b", "é", "\U0010ffff"])
)
_VALUES = st.one_of(st.integers(-5, 5), st.text(max_size=3), st.none())
_EXPECT = st.one_of(
    st.just(Expect()),
    st.builds(
        Expect,
        st.sampled_from([None, True, False]),
        st.dictionaries(st.sampled_from("xy"), _VALUES, max_size=1),
        st.dictionaries(st.just("n"), st.integers(-3, 3), max_size=1),
    ),
)
_WRITES = st.one_of(
    st.builds(
        Put,
        _KEYS,
        st.fixed_dictionaries({}, optional={"x": _VALUES, "y": _VALUES, "n": st.integers(-5, 5)}),
        _EXPECT,
    ),
    st.builds(
        Update,
        _KEYS,
        st.dictionaries(st.sampled_from("xy"), _VALUES, max_size=2),
        st.dictionaries(st.just("n"), st.integers(-5, 5), max_size=1),
        _EXPECT,
    ),
    st.builds(Delete, _KEYS, _EXPECT),
)


def _holds(model: dict[Key, dict[str, Any]], write: Put | Update | Delete) -> bool:
    expect, item = write.expect, model.get(write.key)
    if expect.exists is not None and expect.exists != (item is not None):
        return False
    values = item or {}
    return all(values.get(name) == value for name, value in expect.values.items()) and all(
        values.get(name, 0) <= most for name, most in expect.at_most.items()
    )


def _apply(model: dict[Key, dict[str, Any]], write: Put | Update | Delete) -> None:
    match write:
        case Put():
            model[write.key] = dict(write.item)
        case Delete():
            model.pop(write.key, None)
        case Update():
            item = dict(model.get(write.key, {})) | dict(write.changes)
            item = {k: v for k, v in item.items() if v is not None or k not in write.changes}
            for name, number in write.add.items():
                item[name] = item.get(name, 0) + number
            model[write.key] = item


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.lists(_WRITES, min_size=1, max_size=3), max_size=8))
def test_the_table_behaves_like_a_dictionary(
    table: Table, steps: list[list[Put | Update | Delete]]
) -> None:
    for pk in "pq":
        table.delete_partition(pk)
    model: dict[Key, dict[str, Any]] = {}
    for writes in steps:
        possible = all(_holds(model, write) for write in writes)
        if len({write.key for write in writes}) != len(writes):
            with pytest.raises(ValueError, match="one key"):
                table.transact(writes)
        elif possible:
            table.transact(writes)
            for write in writes:
                _apply(model, write)
        else:
            with pytest.raises(ConditionFailed):
                table.transact(writes)
        for pk in "pq":
            wanted = [model[key] for key in sorted(model) if key.pk == pk]
            assert list(query_all(table, pk)) == wanted
            assert len(list(query_index_all(table, Index.LSI1, pk))) == 0
    assert table.get_many(sorted(model)) == [model[key] for key in sorted(model)]
