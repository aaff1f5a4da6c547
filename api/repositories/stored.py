"""Items as the text that they are kept as."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import from_json


class StoredItem(Mapping[str, Any]):
    """An item as JSON, taken apart when somebody first looks into it.

    text: all that there is to it. Whatever is made of an item may be remembered by its text: a
        change of the item is another text.
    """

    __slots__ = ("_values", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._values: dict[str, Any] | None = None

    @property
    def values_by_name(self) -> dict[str, Any]:
        """The attributes; not to be changed."""
        if self._values is None:
            self._values = parse_item(self.text)
        return self._values

    def __getitem__(self, name: str) -> Any:
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)

    def __repr__(self) -> str:
        return f"StoredItem({self.text!r})"


def parse_item(text: str) -> dict[str, Any]:
    """The attributes of an item that is kept as JSON."""
    item: dict[str, Any] = from_json(text, cache_strings="keys")
    return item
