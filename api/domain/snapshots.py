"""The people at one point of the log as an object, so that reading need not begin at the start."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.domain.runs import pack, unpack
from api.domain.state import FaceTable, People, Person

VERSION = 1


def to_bytes(people: People) -> bytes:
    """The people as an object."""
    table = people.table
    rest = {
        "version": VERSION,
        "persons": [vars(person) for person in people.persons],
        "merged": sorted(people.merged.items()),
        "unsplit": sorted(people.unsplit.items()),
        "rejected": sorted(people.rejected),
        "dismissed": sorted(people.dismissed),
        "contract": people.contract,
        "head": people.head,
        "undos": people.undos,
    }
    return pack(
        {
            "ids": table.ids,
            "photo": table.photo,
            "photo_ids": table.photo_ids,
            "quality": table.quality,
            "row": table.row,
            "cluster": people.cluster,
            "mode": people.mode,
            "confidence": people.confidence,
            "pinned": people.pinned,
            "confirmed": people.confirmed,
            "rest": np.frombuffer(json.dumps(rest).encode(), dtype=np.uint8),
        }
    )


def from_bytes(data: bytes) -> People | None:
    """The people of an object; None if another version of this program wrote it."""
    arrays: dict[str, NDArray[Any]] = unpack(data)
    rest = json.loads(arrays["rest"].tobytes())
    if rest["version"] != VERSION:
        return None
    table = FaceTable(
        **{name: arrays[name] for name in ("ids", "photo", "photo_ids", "quality", "row")}
    )
    return People(
        table=table,
        cluster=arrays["cluster"],
        mode=arrays["mode"],
        confidence=arrays["confidence"],
        pinned=arrays["pinned"],
        confirmed=arrays["confirmed"],
        persons=tuple(Person(**person) for person in rest["persons"]),
        merged=dict(rest["merged"]),
        unsplit=dict(rest["unsplit"]),
        rejected=frozenset((face, code) for face, code in rest["rejected"]),
        dismissed=frozenset((first, second) for first, second in rest["dismissed"]),
        contract=rest["contract"],
        head=rest["head"],
        undos=tuple((undo, target) for undo, target in rest["undos"]),
    )
