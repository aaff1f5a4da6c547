"""Filters against a predicate written another way, and names for every file system."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from api.domain.share_models import ShareFilters
from api.sharing.names import MAX_BYTES, UniqueNames, safe_stem
from api.sharing.selection import Candidate, People, Sighting, select

DAYS = [date(2024, 5, 1) + timedelta(days=k) for k in range(5)]
CLUSTERS = ["a", "b", "c", "d"]

sightings = st.lists(
    st.builds(Sighting, st.sampled_from(CLUSTERS), st.sampled_from([10.0, 30.0, 50.0])), max_size=4
).map(tuple)


@st.composite
def albums(draw: st.DrawFn) -> list[Candidate]:
    count = draw(st.integers(0, 8))
    photos = []
    for k in range(count):
        keeper = draw(st.sampled_from([k, *range(count)]))
        photos.append(
            Candidate(
                id=f"p{k}",
                taken_on=draw(st.sampled_from([None, *DAYS])),
                pixels=draw(st.sampled_from([None, 100, 200])),
                sharpness=draw(st.sampled_from([None, 1.0, 2.0])),
                keeper=f"p{keeper}",
                sightings=draw(sightings),
            )
        )
    return draw(st.permutations(photos))


people = st.builds(
    People,
    chosen=st.frozensets(st.sampled_from([*CLUSTERS, None]), max_size=3),
    excluded=st.frozensets(st.sampled_from(CLUSTERS), max_size=2),
    named=st.frozensets(st.sampled_from(CLUSTERS)),
)


@st.composite
def filters(draw: st.DrawFn) -> ShareFilters:
    first, last = sorted([draw(st.sampled_from(DAYS)), draw(st.sampled_from(DAYS))])
    return ShareFilters(
        taken_from=draw(st.sampled_from([None, first])),
        taken_to=draw(st.sampled_from([None, last])),
        min_pixels=draw(st.sampled_from([None, 150])),
        min_face_pixels=draw(st.sampled_from([None, 30.0])),
        min_sharpness=draw(st.sampled_from([None, 1.5])),
        no_duplicates=draw(st.booleans()),
        only_appearing=draw(st.booleans()),
        only_with=draw(st.booleans()),
        all_of=draw(st.booleans()),
    )


def wanted(photo: Candidate, who: People, f: ShareFilters) -> bool:
    """The rules one by one, as they are written for people."""
    reasons = []
    for person in CLUSTERS:
        there = any(s.cluster == person for s in photo.sightings)
        reasons.append(there and person in who.excluded)
        reasons.append(f.only_with and there and person in who.named and person not in who.chosen)
    large = [s.cluster for s in photo.sightings if s.side >= (f.min_face_pixels or 0)]
    if f.only_appearing:
        reasons.append(not any(person in large for person in who.chosen))
    if f.all_of:
        reasons.append(any(person not in large for person in who.chosen))
    if f.min_pixels:
        reasons.append(photo.pixels is None or photo.pixels < f.min_pixels)
    if f.min_sharpness:
        reasons.append(photo.sharpness is None or photo.sharpness < f.min_sharpness)
    if f.taken_from:
        reasons.append(photo.taken_on is None or photo.taken_on < f.taken_from)
    if f.taken_to:
        reasons.append(photo.taken_on is None or photo.taken_on > f.taken_to)
    return not any(reasons)


@given(albums(), people, filters())
def test_filters_choose_what_the_rules_say(
    photos: list[Candidate], who: People, f: ShareFilters
) -> None:
    passing = {p.id: p for p in photos if wanted(p, who, f)}
    chosen = select(photos, who, f)
    assert list(chosen) == sorted(set(chosen))
    if not f.no_duplicates:
        assert set(chosen) == set(passing)
        return
    expected = set()
    for keeper in {p.keeper for p in passing.values()}:
        group = sorted(p.id for p in passing.values() if p.keeper == keeper)
        best = keeper if keeper in group else group[0]
        expected.add(best)
    assert set(chosen) == expected


hostile = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        [
            "../../etc/passwd",
            "..\\..\\windows\\system32\\cmd.exe",
            "/abs/path.jpg",
            "C:\\a.jpg",
            "CON",
            "con.jpg",
            "LPT1.tar.gz",
            "a\0b.jpg",
            "x" * 500 + ".jpg",
            "ü" * 300,
            "\u202egpj.exe",
            "...",
            " ",
            "-rf.jpg",
            "manifest.json",
            "sha256sums",
            "\ud800.jpg",
            "a.jpg",
            "A.JPG",
            "é.jpg",
            "e\u0301.jpg",
            "ﬁ.jpg",
            "fi.jpg",
        ]
    ),
)


@given(st.lists(st.tuples(hostile, st.sampled_from(["jpg", "png"])), max_size=30))
def test_names_are_safe_and_unique(files: list[tuple[str, str]]) -> None:
    names = UniqueNames(taken=("manifest.json", "SHA256SUMS"))
    taken = [names.take(name, ending) for name, ending in files]
    assert len({name.casefold() for name in taken}) == len(taken)
    for name, (_, ending) in zip(taken, files, strict=True):
        assert name.endswith(f".{ending}") and len(name.encode()) <= MAX_BYTES
        assert not set(name) & set('/\\:*?"<>|') and name.isprintable()
        assert name not in (".", "..") and name[0] not in " .-~"
        assert name.split(".")[0].casefold() not in ("con", "lpt1", "nul")
    again = UniqueNames(taken=("manifest.json", "SHA256SUMS"))
    assert [again.take(name, ending) for name, ending in files] == taken


def test_names_that_one_file_system_takes_for_the_same_differ() -> None:
    names = UniqueNames()
    given_names = ["é.jpg", "e\u0301.jpg", "É.JPG", "a.jpg", "A.jpg", "a (2).jpg", "a.png"]
    taken = [names.take(name, "jpg") for name in given_names]
    assert len(set(taken)) == 7
    assert taken[3:] == ["a.jpg", "A (2).jpg", "a (2) (2).jpg", "a (3).jpg"]


def test_ordinary_names_stay() -> None:
    assert safe_stem("Anna & Ben, 3. Mai.JPG") == "Anna & Ben, 3. Mai"
    assert safe_stem("2024.05.03 party") == "2024.05.03 party"
