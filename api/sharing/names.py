"""File names for people to keep: safe on every system, and unique in their folder.

Names come from uploaders: they may hold paths, control characters, names that Windows reserves, or
text that shows backwards.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

MAX_BYTES = 200
"""Of a name in UTF-8, its ending and number included; file systems stop at 255."""

_FORBIDDEN = frozenset('<>:"/\\|?*')
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³"]
)


def safe_stem(filename: str, fallback: str = "photo") -> str:
    r"""The name of a file without folders and ending, free of what any system objects to.

    >>> safe_stem("../../etc/passwd")
    'passwd'
    >>> safe_stem("C:\\fakepath\\Anna & Ben?.JPG")
    'Anna & Ben_'
    >>> safe_stem("CON.jpg")
    '_CON'
    """
    name = unicodedata.normalize("NFC", filename).replace("\\", "/").rsplit("/", 1)[-1]
    # Category C: control, format (text direction too), surrogate, private and unassigned.
    name = "".join(
        " " if unicodedata.category(c)[0] == "Z" else c
        for c in name
        if unicodedata.category(c)[0] != "C"
    )
    name = "".join("_" if c in _FORBIDDEN else c for c in name)
    stem, dot, ending = name.rpartition(".")
    stem = stem if dot and len(ending) <= 5 and " " not in ending else name
    stem = _cut(stem.strip(" ."), MAX_BYTES - 20).rstrip(" .")
    if not stem:
        return fallback
    # A dash in front is an option to many tools; Windows reserves devices with any ending.
    if stem.startswith(("-", "~")) or stem.split(".")[0].rstrip().casefold() in _RESERVED:
        stem = f"_{stem}"
    return stem


class UniqueNames:
    """Gives out names that differ in more than case or in how characters are composed.

    The names depend on nothing but the order of the calls.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {_folded(name) for name in taken}
        self._next: dict[str, int] = {}

    def take(self, filename: str, ending: str) -> str:
        """A safe name after ``filename``; ``ending`` without a dot replaces its own."""
        stem = safe_stem(filename)
        name = f"{stem}.{ending}"
        number = self._next.get(_folded(name), 2)
        base = name
        while _folded(name) in self._taken:
            name = f"{stem} ({number}).{ending}"
            number += 1
        self._next[_folded(base)] = number
        self._taken.add(_folded(name))
        return name


def _folded(name: str) -> str:
    # Twice, since folding can bring up characters that compose anew.
    folded = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", folded).casefold()


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")
