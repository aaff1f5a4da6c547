"""The place from which models are trained on people's corrections: ``export/`` of the pipeline.

It holds an archive a user, under the user's pseudonym, and ``published.json``, which says until
when everybody who does not consent any more was taken out. An archive is an export of that user
alone (see `corrections`); it is stored, replaced and removed as a whole. Users have nothing to do
with each other in training, so that no reader has to see all archives of one moment.
See docs/decisions/0053-corrections-are-published-by-user.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from api.keyring import Keyring
from api.objects.store import ObjectInfo, ObjectMissing, ObjectStore

FORMAT, VERSION = "faceflow-published-corrections", 1
_MARK = "published.json"
_ARCHIVE = ".tar"


def pseudonyms(keyring: Keyring, user_id: str) -> list[str]:
    """What a user is called outside of the application, by every signing key; the first is used."""
    return [name[:16] for name in keyring.signatures("corrections-export", user_id)]


@dataclass(frozen=True)
class Published:
    """The place.

    prefix: what its keys in the store begin with; ends with a slash.
    """

    store: ObjectStore
    prefix: str

    def put(self, name: str, archive: Path) -> None:
        """Publish a user's archive, in place of an earlier one; atomic."""
        self.store.put_file(self._key(name), archive, "application/x-tar")

    def fetch(self, name: str, file: Path) -> bool:
        """Write a user's archive into a file; False if there is none."""
        # Asked for by a list: of what is not there, S3 says only to whom may list everything.
        if next(self.archives([name]), None) is None:
            return False
        try:
            chunks = self.store.stream(self._key(name))
        except ObjectMissing:  # removed just now
            return False
        with file.open("wb") as out:
            out.writelines(chunks)
        return True

    def remove(self, names: Iterable[str]) -> int:
        """Remove users' archives with all their versions; returns how many there were."""
        return sum(self.store.delete_prefix(self._key(name)) for name in names)

    def archives(self, names: Iterable[str]) -> Iterator[ObjectInfo]:
        """Those of some users."""
        for name in names:
            yield from self.store.list_objects(self._key(name))

    def keep(self, names: Iterable[str], found: Iterable[str]) -> int:
        """Of what was ``found``, remove all but the archives of these users; returns how much."""
        kept = {f"{name}{_ARCHIVE}" for name in names} | {_MARK}
        return sum(
            self.store.delete_prefix(f"{self.prefix}{one}") for one in found if one not in kept
        )

    def found(self) -> set[str]:
        """Names of everything in the place, folders included."""
        everything = self.store.list_objects(self.prefix)
        return {info.key.removeprefix(self.prefix).partition("/")[0] for info in everything}

    def mark(self, at: str) -> None:
        """Say that nobody is here any more who did not consent at a time, ISO 8601."""
        document = {"format": FORMAT, "version": VERSION, "at": at}
        data = json.dumps(document, indent=2).encode() + b"\n"
        self.store.put(f"{self.prefix}{_MARK}", data, "application/json")

    def _key(self, name: str) -> str:
        return f"{self.prefix}{name}{_ARCHIVE}"
