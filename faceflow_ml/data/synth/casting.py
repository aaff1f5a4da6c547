"""Who is in an album: people who differ clearly, and who appears in which photo."""

from __future__ import annotations

import numpy as np

from faceflow_ml.data.synth.people import Person, sample_person
from faceflow_ml.data.synth.raster import FloatArray

_CANDIDATES = 8  # draws for each place; the one least like those already chosen gets it


def distinct_people(count: int, seed: int) -> list[Person]:
    """``count`` people unlike each other, named person-01, person-02, ...

    The first people of a larger cast are those of a smaller one with the same seed.
    """
    chosen: list[Person] = []
    traits: list[FloatArray] = []
    for place in range(count):
        name = f"person-{place + 1:02d}"
        draws = [
            sample_person(np.random.default_rng([seed, 1, place, k]), name)
            for k in range(_CANDIDATES if chosen else 1)
        ]
        vectors = [trait_vector(person) for person in draws]
        nearest = [
            min((float(np.abs(vector - other).mean()) for other in traits), default=0.0)
            for vector in vectors
        ]
        best = int(np.argmax(nearest))
        chosen.append(draws[best])
        traits.append(vectors[best])
    return chosen


def trait_vector(person: Person) -> FloatArray:
    """What tells a person from others at a glance, on comparable scales."""
    p = person
    long_hair = p.hair_style in ("bob", "long", "wavy", "ponytail")
    big_hair = p.hair_style in ("afro", "curly", "wavy")
    no_hair = p.hair_style in ("bald", "receding", "buzz")
    bearded = p.beard in ("full", "short", "goatee", "moustache")
    values = [
        *(2.5 * c for c in p.skin),
        *(1.5 * c for c in p.hair_color),
        *(1.0 * c for c in p.iris),
        1.5 * p.femininity,
        p.age / 50,
        float(long_hair),
        float(big_hair),
        float(no_hair),
        float(bearded),
        float(p.glasses != "none"),
        (p.eye_distance - 62.5) / 4.5,
        (p.mouth_width - 51) / 5.5,
        (p.eye_opening - 9.7) / 1.7,
        *(0.7 * v for v in (p.head_width, p.head_length, p.jaw_width, p.chin_length, p.forehead)),
        *(0.7 * v for v in (p.nose_length, p.nose_width, p.brow_thickness, p.brow_height)),
    ]
    return np.array(values, np.float32)


def cast_photos(
    people: int, photos: int, faces: tuple[int, int], rng: np.random.Generator
) -> list[list[int]]:
    """Indices of the people in each photo, ``faces`` (fewest, most) at a time.

    Everyone takes turns, so that nobody appears only once by bad luck.
    """
    low, high = (min(count, people) for count in faces)
    queue: list[int] = []
    groups = []
    for _ in range(photos):
        group: list[int] = []
        for _ in range(int(rng.integers(low, high + 1))):
            free = [k for k in queue if k not in group]
            if not free:
                queue += [int(k) for k in rng.permutation(people)]
                free = [k for k in queue if k not in group]
            group.append(free[0])
            queue.remove(free[0])
        groups.append(group)
    return groups
