"""Object keys. All of a user's objects lie under ``tenant/{userId}/``; erasing finds them there."""

from __future__ import annotations

import re

MAX_KEY = 1024
SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._@=+-]*")
"""What may stand between the slashes of a key."""


def check_key(key: str) -> str:
    """The key, if it is one.

    Raises:
        ValueError: it is none.
    """
    if len(key) > MAX_KEY or not all(map(SEGMENT.fullmatch, key.split("/"))):
        raise ValueError(f"{key!r} is no object key")
    return key


def user_prefix(user_id: str) -> str:
    """Everything of a user."""
    return f"tenant/{user_id}/"


def album_prefix(user_id: str, album_id: str) -> str:
    """Everything of an album."""
    return f"tenant/{user_id}/{album_id}/"


def original(user_id: str, album_id: str, created_at: str, photo_id: str, extension: str) -> str:
    """The photo as uploaded; ``created_at`` ISO 8601, ``extension`` without a dot."""
    year, month, day = created_at[:10].split("-")
    return f"{album_prefix(user_id, album_id)}{year}/{month}/{day}/{photo_id}.{extension}"


def thumbnail(user_id: str, album_id: str, photo_id: str) -> str:
    """A small JPEG of the photo."""
    return f"{album_prefix(user_id, album_id)}thumb/{photo_id}.jpg"


def crop(user_id: str, album_id: str, face_id: str) -> str:
    """A JPEG of the face with some surroundings."""
    return f"{album_prefix(user_id, album_id)}crops/{face_id}.jpg"


def vectors(user_id: str, album_id: str, photo_id: str) -> str:
    """``.npy`` of the photo's embeddings, (n, 512) float32, in the order of its faces."""
    return f"{album_prefix(user_id, album_id)}{photo_id}.npy"


def run(user_id: str, album_id: str, entry_id: str) -> str:
    """What a clustering run moved; the log's entry refers to it."""
    return f"{album_prefix(user_id, album_id)}people/runs/{entry_id}.npz"


def snapshot(user_id: str, album_id: str, entry_id: str) -> str:
    """The people after an entry of the log; can be made anew from the log."""
    return f"{album_prefix(user_id, album_id)}people/state/{entry_id}.npz"


def centers(user_id: str, album_id: str, entry_id: str) -> str:
    """Sums of the vectors of the clusters after an entry of the log; a cache."""
    return f"{album_prefix(user_id, album_id)}people/centers/{entry_id}.npz"


def packs(user_id: str, album_id: str, contract_id: str) -> str:
    """Prefix of the album's vectors of one contract, many photos to an object; a cache."""
    return f"{album_prefix(user_id, album_id)}people/vectors/{contract_id}/"


def reembedding(user_id: str, album_id: str) -> str:
    """Prefix of the album's vectors of contracts that it has not switched to yet."""
    return f"{album_prefix(user_id, album_id)}people/reembed/"


def reembedded(user_id: str, album_id: str, contract_id: str, photo_id: str) -> str:
    """The photo's vectors of a new contract, until the album switches to it."""
    return f"{reembedding(user_id, album_id)}{contract_id}/{photo_id}.npy"


def batches(user_id: str, album_id: str) -> str:
    """Prefix of what the functions of ingestion on AWS tell each other."""
    return f"{album_prefix(user_id, album_id)}runs/"


def batch_prefix(user_id: str, album_id: str, batch: str) -> str:
    """The part of it that is of one batch."""
    return f"{batches(user_id, album_id)}{batch}/"


def share_prefix(user_id: str, album_id: str, share_id: str) -> str:
    """Everything that is made for one share."""
    return f"{album_prefix(user_id, album_id)}share/{share_id}/"


def share_contents(user_id: str, album_id: str, share_id: str) -> str:
    """Ids of the photos that a share which is not live had at its making, a JSON array."""
    return f"{share_prefix(user_id, album_id, share_id)}contents.json"


def share_copy(user_id: str, album_id: str, share_id: str, name: str) -> str:
    """A photo as the recipient gets it; ``name`` is made by `sharing.copies`."""
    return f"{share_prefix(user_id, album_id, share_id)}photos/{name}"


def archive(user_id: str, album_id: str, share_id: str) -> str:
    """The ZIP of a share."""
    return f"{share_prefix(user_id, album_id, share_id)}archive.zip"
