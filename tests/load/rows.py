"""What a photo costs the table: rows, bytes, write units, and which partitions take the writes.

    python -m tests.load.rows --out docs/benchmarks-rows.md

The application runs whole, on one machine, with an engine that finds one face in every photo; each
write is weighed as DynamoDB would: a unit for every KB begun, twice in a transaction, once more for
every index that the item stands in. A write that changes no item of an index counts there too, so
that the units are rather too many.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from api.domain.models import JobState
from api.home import open_services
from api.main import create_app
from api.repositories.dynamo_schema import ORDERS
from api.repositories.dynamo_values import to_attribute
from api.repositories.sqlite_table import SqliteTable
from api.repositories.table import Index, Key, Write
from api.settings import Settings
from faceflow_ml.files import atomic_write_text
from tests.api.conftest import CardEngine
from tests.api.ingestion.conftest import AlbumClient, photo_bytes

_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{16,}")


@dataclass
class Weighed:
    """Writes by what they wrote.

    units: by kind of row, all its copies together. partitions: by table or index and the form of
    its partition key, ids left out.
    """

    units: Counter[str] = field(default_factory=Counter)
    partitions: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows: dict[Key, tuple[int, int]] = field(default_factory=dict)
    """Bytes of each row that is there, and in how many places it stands: table and indexes."""


class WeighingTable(SqliteTable):
    """The table of one machine; notes what is written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.weighed = Weighed()

    def write(self, write: Any) -> None:
        super().write(write)
        self._weigh(write, 1)

    def write_many(self, writes: Sequence[Any]) -> None:
        super().write_many(writes)
        for write in writes:
            self._weigh(write, 1)

    def transact(self, writes: Sequence[Write]) -> None:
        super().transact(writes)
        for write in writes:
            self._weigh(write, 2)

    def _weigh(self, write: Write, factor: int) -> None:
        item = self.get(write.key)
        key = write.key
        size = item_bytes(key, item or {})
        kind = key.sk.partition("#")[0]
        units = factor * math.ceil(size / 1024)
        places = [("table", key.pk)] + [
            (index.name, str((item or {})[partition]) if partition != "pk" else key.pk)
            for index, (partition, (sort, *_)) in indexes()
            if (partition == "pk" or partition in (item or {})) and sort in (item or {})
        ]
        if item is None:
            self.weighed.rows.pop(key, None)
        else:
            self.weighed.rows[key] = (size, len(places))
        for name, partition in places:
            # Indexes are written apart from the transaction.
            cost = units if name == "table" else math.ceil(size / 1024)
            self.weighed.units[kind] += cost
            self.weighed.partitions[name, _ID.sub("*", partition)] += cost


def indexes() -> list[tuple[Index, tuple[str, tuple[str, ...]]]]:
    """Partition and sort attributes of every index."""
    return [(index, order) for index, order in ORDERS.items() if index is not None]


def item_bytes(key: Key, item: Any) -> int:
    """About what DynamoDB counts: names and values in UTF-8."""
    given = {"pk": key.pk, "sk": key.sk, **item}
    return sum(len(name.encode()) + _bytes(to_attribute(value)) for name, value in given.items())


def _bytes(attribute: dict[str, Any]) -> int:
    ((kind, value),) = attribute.items()
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        return len(value) // 2 + 2
    if kind == "L":
        return 3 + sum(1 + _bytes(part) for part in value)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _bytes(part) for name, part in value.items())
    return 1


def measure(photos: int, folder: Path) -> Weighed:
    """An album of so many photos, uploaded and processed at once."""
    services = open_services(Settings(data=folder, web=folder / "none"), CardEngine())
    assert isinstance(services.table, SqliteTable)
    services.table.close()
    table = WeighingTable(folder / "faceflow.db")
    services = replace(services, table=table)
    with TestClient(create_app(services=services)) as client:
        token = client.post("/auth/dev-token", json={"user": "alice"}).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        made = client.post("/albums", headers=headers, json={"name": "Rows"})
        album = AlbumClient(client, headers, made.json()["id"])
        for n in range(photos):
            album.upload(f"{n}.jpg", photo_bytes(n, color=40 * n))
        status = album.process()
        assert status["state"] == JobState.DONE, status
    table.close()
    return table.weighed


def render(photos: int, found: Weighed) -> str:
    """The document."""
    kinds = sorted(found.units, key=lambda kind: -found.units[kind])
    sizes: dict[str, list[int]] = {}
    for key, (size, _) in found.rows.items():
        sizes.setdefault(key.sk.partition("#")[0], []).append(size)
    rows = []
    for kind in kinds:
        have = sizes.get(kind, [])
        mean = f"{sum(have) / len(have):,.0f}" if have else "gone"
        rows.append(
            f"| {kind} | {len(have) / photos:.2f} | {mean} | {found.units[kind] / photos:.1f} |"
        )
    places = [
        f"| {name} | `{partition}` | {units / photos:.2f} |"
        for (name, partition), units in found.partitions.most_common(14)
    ]
    stored = {key: size * places for key, (size, places) in found.rows.items()}
    faces = [size for key, size in stored.items() if key.sk.startswith("FACE#")]
    data = {
        "photos": photos,
        "units": round(found.units.total() / photos, 2),
        "face_units": round(found.units["FACE"] / len(faces), 2),
        "bytes": round(sum(stored.values()) / photos),
        "face_bytes": round(sum(faces) / len(faces)),
    }
    return "\n".join(
        [
            "# What a photo costs the table",
            "",
            "Written by `python -m tests.load.rows --out docs/benchmarks-rows.md`; do not edit."
            f" {photos} photos with a face each, uploaded one by one and processed at once, on one"
            " machine; writes weighed as DynamoDB would: units of 1 KB, twice in a transaction,"
            " again for every index.",
            "",
            f"A photo: **{data['units']:.1f} write units, {data['bytes']:,} bytes** of rows with"
            f" their copies in indexes; a further face {data['face_units']:.1f} units and"
            f" {data['face_bytes']:,} bytes.",
            "",
            "| row | of a photo | bytes | write units of a photo |",
            "| --- | ---: | ---: | ---: |",
            *rows,
            "",
            "## Which partitions take the writes",
            "",
            "`*` stands for an id.",
            "",
            "| where | partition | write units of a photo |",
            "| --- | --- | ---: |",
            *places,
            "",
            f"<!-- measured: {json.dumps(data)} -->",
            "",
        ]
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faceflow-rows-") as folder:
        found = measure(options.photos, Path(folder))
    atomic_write_text(options.out, render(options.photos, found))


if __name__ == "__main__":
    main()
