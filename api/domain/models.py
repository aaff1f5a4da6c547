"""What the application keeps: one typed record for each kind of item."""

from __future__ import annotations

from abc import abstractmethod
from enum import StrEnum
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.repositories.stored import StoredItem
from api.repositories.table import Item, Key


class Record(BaseModel):
    """An item with names and types; stored and shown in camelCase.

    Records are immutable: write changes with `Repository.update`.
    """

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )

    prefix: ClassVar[str]
    """Sort keys of this kind begin with it."""

    @abstractmethod
    def key(self) -> Key:
        """Where it is kept."""

    def index_attributes(self) -> dict[str, str]:
        """Attributes that place it in the indexes, see `repositories.table`."""
        return {}

    def to_item(self) -> Item:
        """As the table keeps it."""
        return self.model_dump(mode="json", by_alias=True) | self.index_attributes()

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """The record of an item."""
        values = item.values_by_name if isinstance(item, StoredItem) else dict(item)
        return cls.model_validate(values)


class Album(Record):
    """A pile of photos of one user."""

    prefix = "ALBUM#"

    id: str
    user_id: str
    name: str
    created_at: str
    keep_originals: bool = True
    linked: bool = False
    """May its people be recognised in the user's other linked albums?"""
    contract_id: str | None = None
    """Of its vectors, once all of them have it; see `workflow.reembedding`."""
    version: int = 0
    """Grows with every change that a client may want to see."""

    def key(self) -> Key:
        return self.key_of(self.user_id, self.id)

    @staticmethod
    def key_of(user_id: str, album_id: str) -> Key:
        """Albums are found by their owner, so that others' are simply not there."""
        return Key(f"USER#{user_id}", f"ALBUM#{album_id}")

    def index_attributes(self) -> dict[str, str]:
        # For the application's own work on every album; no route reads it.
        return {"gsi1pk": "ALBUM", "gsi1sk": self.id}


class PhotoStatus(StrEnum):
    """How far a photo is."""

    UPLOADING = "uploading"
    """Announced, bytes not complete: not visible."""
    PENDING = "pending"
    """Complete, waiting for ingestion."""
    DONE = "done"
    FAILED = "failed"
    """It cannot be processed; ``error`` says why."""


class FaceBox(BaseModel):
    """A face as its photo knows it."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    id: str
    box: tuple[float, float, float, float]
    """x1, y1, x2, y2 in pixels of the upright photo."""
    score: float


class Exif(BaseModel):
    """What the camera wrote."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    taken_at: str | None = None
    """Local time of the camera, ISO 8601 without a zone."""
    orientation: int = 1
    camera: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class Photo(Record):
    """A photo; its id is its upload's."""

    prefix = "PHOTO#"

    id: str
    album_id: str
    user_id: str
    status: PhotoStatus
    filename: str
    """As the uploader called it: for showing, never a path."""
    content_type: str
    size: int
    created_at: str
    object_key: str
    original_purged: bool = False
    upload_id: str | None = None
    """Of an unfinished multipart upload."""
    sha256: str | None = None
    phash: str | None = None
    """64 bits in hexadecimal."""
    width: int | None = None
    """Upright, in pixels."""
    height: int | None = None
    exif: Exif | None = None
    blur: str | None = None
    """A few pixels as a data URL, shown until the thumbnail is there."""
    sharpness: float | None = None
    duplicate_of: str | None = None
    """The photo that is kept in place of this one. Of an exact copy: the first of the same bytes,
    which may be a near-duplicate of another itself. Exact copies have no faces of their own."""
    duplicate_kind: Literal["exact", "near"] | None = None
    faces: tuple[FaceBox, ...] = ()
    error: str | None = None
    attempts: int = 0
    step: str | None = None
    """The last step of ingestion that is complete."""
    keep: bool = False
    """A person chose it as the one to keep of its duplicates."""

    def key(self) -> Key:
        return self.key_of(self.album_id, self.id)

    @staticmethod
    def key_of(album_id: str, photo_id: str) -> Key:
        """Key of a photo."""
        return Key(f"ALBUM#{album_id}", f"PHOTO#{photo_id}")

    def index_attributes(self) -> dict[str, str]:
        # GSI2 finds a photo by its id alone and the owner's: `GET /photos/{pid}`.
        return {
            "gsi1pk": f"ALBUM#{self.album_id}#PHOTO#{self.status}",
            "gsi1sk": self.created_at,
            "gsi2pk": f"USER#{self.user_id}#PHOTO",
            "gsi2sk": self.id,
        }


class Face(Record):
    """A face of a photo; its id derives from the photo's content and its box.

    Who it is, the people of the album know, see `domain.state`: one decision concerns thousands.
    """

    prefix = "FACE#"

    id: str
    album_id: str
    user_id: str
    photo_id: str
    created_at: str
    box: tuple[float, float, float, float]
    score: float
    landmarks: tuple[tuple[float, float], ...]
    quality: float
    row: int
    """Its row in the photo's vectors."""
    contract_id: str

    def key(self) -> Key:
        return self.key_of(self.album_id, self.id)

    @staticmethod
    def key_of(album_id: str, face_id: str) -> Key:
        """Key of a face."""
        return Key(f"ALBUM#{album_id}", f"FACE#{face_id}")

    @staticmethod
    def fresh_partition(album_id: str) -> str:
        """Partition of GSI1 with the faces that the log of decisions has not brought yet."""
        return f"ALBUM#{album_id}#FACE#none"

    def index_attributes(self) -> dict[str, str]:
        return {"gsi1pk": self.fresh_partition(self.album_id), "gsi1sk": self.id}


class Cluster(Record):
    """A person of an album. Derived from vectors and decisions; never the only copy of either."""

    prefix = "CLUSTER#"

    id: str
    album_id: str
    user_id: str
    created_at: str
    label: str | None = None
    hidden: bool = False
    size: int = 0
    """Faces."""
    photos: int = 0
    confidence: float = 0.0
    """Probability in [0, 1] that its faces are one person."""
    cover: str | None = None
    """Id of the face that stands for it."""

    def key(self) -> Key:
        return self.key_of(self.album_id, self.id)

    @staticmethod
    def key_of(album_id: str, cluster_id: str) -> Key:
        """Key of a cluster."""
        return Key(f"ALBUM#{album_id}", f"CLUSTER#{cluster_id}")


class JobKind(StrEnum):
    """What a job does."""

    INGEST = "ingest"
    RECLUSTER = "recluster"
    REEMBED = "reembed"
    """Give the album the vectors of another embedder."""
    ARCHIVE = "archive"
    ERASE = "erase"
    MAIL = "mail"
    PURGE = "purge"
    """Remove the originals of an album that keeps none."""
    DELETE_ALBUM = "deleteAlbum"
    """Of the account; its subject is the album."""
    PUBLISH = "publish"
    """Of the account: its corrections, to where the models are trained."""


class JobState(StrEnum):
    """How a job stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Job(Record):
    """A job of the workflow."""

    prefix = "JOB#"

    id: str
    kind: JobKind
    user_id: str
    album_id: str
    subject: str = ""
    state: JobState = JobState.RUNNING
    step: str | None = None
    """The step it is at."""
    done: int = 0
    total: int = 0
    progress: float = 0.0
    """0 to 1 over all steps."""
    attempts: int = 0
    error: str | None = None
    created_at: str
    updated_at: str
    request_id: str | None = None
    """Of the request that started it: in every line that the job logs."""

    def key(self) -> Key:
        return self.key_of(self.album_id, self.id, self.user_id)

    @staticmethod
    def key_of(album_id: str, job_id: str, user_id: str = "") -> Key:
        """Key of a job; one without an album is of the account ``user_id``."""
        pk = f"ALBUM#{album_id}" if album_id else f"USER#{user_id}"
        return Key(pk, f"JOB#{job_id}")

    def index_attributes(self) -> dict[str, str]:
        return {"gsi1pk": f"JOB#{self.state}", "gsi1sk": self.created_at}


class DecisionKind(StrEnum):
    """What a person decided."""

    LABEL = "label"
    MERGE = "merge"
    SPLIT = "split"
    REJECT = "reject"
    MOVE = "move"
    CONFIRM = "confirm"
    HIDE = "hide"
    DISMISS = "dismiss"
    """A suggestion was declined: these two are not one person."""
    UNDO = "undo"
    RUN = "run"
    """Not a person's: what a clustering run moved."""
    FORGET = "forget"
    """Not of people: faces whose photos were removed."""


class Decision(Record):
    """An entry of the append-only log. ``data`` is typed by `domain.decisions`."""

    prefix = "DECISION#"

    id: str
    album_id: str
    user_id: str
    created_at: str
    kind: DecisionKind
    data: dict[str, Any] = Field(default_factory=dict)
    undone_by: str | None = None
    """Shown only: the log's own UNDO entry is what counts."""

    def key(self) -> Key:
        return self.key_of(self.album_id, self.id)

    @staticmethod
    def key_of(album_id: str, decision_id: str) -> Key:
        """Key of a decision; ids sort by time."""
        return Key(f"ALBUM#{album_id}", f"DECISION#{decision_id}")


class Ledger(Record):
    """How far the log of an album is, and how far rows follow it."""

    prefix = "LEDGER"

    album_id: str
    user_id: str
    head: str | None = None
    """The last entry of the log. Appending expects it to be what the writer has seen."""
    projected: str | None = None
    """The entry that the rows of faces and clusters show; behind ``head`` while rows are written,
    or after a crash then."""
    snapshot: str | None = None
    """The entry after which the people are kept as an object, to start from."""
    full_run: str | None = None
    """The last run that grouped every face."""
    full_faces: int = 0
    """How many faces that were."""

    def key(self) -> Key:
        return self.key_of(self.album_id)

    @staticmethod
    def key_of(album_id: str) -> Key:
        """Key of an album's ledger."""
        return Key(f"ALBUM#{album_id}", "LEDGER")
