"""Variables of the environment whose names begin as FaceFlow's do, and that nobody reads.

Processes share environments, and platforms put variables of their own there (a Kubernetes service
``faceflow`` makes ``FACEFLOW_PORT``), so that an unknown name alone is no mistake. One that is a
letter or two beside a known name is: whoever wrote it takes for set what is not.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from difflib import SequenceMatcher

from faceflow_ml.errors import SettingsError

PREFIX = "FACEFLOW_"


def check_variables(
    known: Collection[str],
    families: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """Refuse misspelt variables, and tell of the other unknown ones. Case makes no difference.

    Args:
        known: names that this process, or another in the same environment, reads.
        families: beginnings of names that are the matter of other processes.
        environment: None: of this process.

    Returns:
        A line about each unknown variable that is no misspelling.

    Raises:
        SettingsError: names differ from known ones by a letter or two; one line names them all.

    >>> check_variables({"FACEFLOW_WORKERS"}, environment={"FACEFLOW_THREADS": "3"})
    ['FACEFLOW_THREADS is set, but nothing reads it; the nearest known is FACEFLOW_WORKERS']
    >>> check_variables({"FACEFLOW_WORKERS"}, environment={"FACEFLOW_WORKRES": "3"})
    Traceback (most recent call last):
    faceflow_ml.errors.SettingsError: there is no FACEFLOW_WORKRES; the nearest is FACEFLOW_WORKERS
    """
    given = sorted(os.environ if environment is None else environment)
    unknown = {
        name: nearest(name, known)
        for name in given
        if name.upper().startswith(PREFIX)
        and name.upper() not in known
        and not name.upper().startswith(families)
    }
    misspelt = {name: near for name, near in unknown.items() if is_misspelling(name, near)}
    if misspelt:
        raise SettingsError(
            "; ".join(
                f"there is no {name}; the nearest is {near}" for name, near in misspelt.items()
            )
        )
    return [
        f"{name} is set, but nothing reads it; the nearest known is {near}"
        for name, near in unknown.items()
    ]


def nearest(name: str, known: Collection[str]) -> str:
    """The known name that is most alike: `difflib`'s ratio; of several the first by alphabet."""
    alike = SequenceMatcher(b=name.upper(), autojunk=False)

    def likeness(one: str) -> float:
        alike.set_seq1(one)
        return alike.ratio()

    return max(sorted(known), key=likeness)


def is_misspelling(name: str, known: str) -> bool:
    """Is it meant to be the known one: an edit away from a short name, or two from a longer one?

    A letter in four may be wrong, the prefix apart: more, and it is another word.
    """
    letters = len(known.removeprefix(PREFIX))
    return edits(name.upper(), known) <= max(1, min(2, letters // 4))


def edits(left: str, right: str) -> int:
    """Letters that are added, left out or wrong, and neighbours that are swapped: the distance of
    optimal string alignment.

    >>> edits("WORKRES", "WORKERS"), edits("DATA", "DATAS"), edits("WEB", "DB")
    (1, 1, 2)
    """
    rows = [list(range(len(right) + 1))]
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and (a, left[i - 2]) == (right[j - 2], b):
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]
