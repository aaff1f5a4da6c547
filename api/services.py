"""Everything outside the domain that it works with, behind the ports, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from api.auth import Accounts, Tokens
from api.domain.memory import Memory
from api.domain.models import Album, Cluster, Decision, Face, Job, Photo
from api.domain.share_models import Archive, Share
from api.engine.engine import FaceEngine
from api.keyring import Keyring
from api.objects.signer import Signer
from api.objects.store import ObjectStore
from api.published import Published
from api.repositories.records import Repository
from api.repositories.table import Table
from api.settings import Settings
from api.sharing.mailer import Mailer


@dataclass(frozen=True)
class Services:
    """The ports and the repositories over them. The workflow has these; routes have both."""

    settings: Settings
    table: Table
    objects: ObjectStore
    signer: Signer
    engine: FaceEngine
    mailer: Mailer
    tokens: Tokens
    keyring: Keyring
    published: Published | None = None
    """Where corrections go to be trained on; None: nowhere by themselves."""
    accounts: Accounts | None = None
    """Where people sign in; None: it is somebody else's to remove them there."""
    scratch: Path | None = None
    """Folder for files of running jobs, where what killed ones leave is removed; None: the
    system's for temporary files."""
    memory: Memory = field(default_factory=Memory, compare=False)

    @cached_property
    def albums(self) -> Repository[Album]:
        """Albums, by owner."""
        return Repository(self.table, Album)

    @cached_property
    def photos(self) -> Repository[Photo]:
        """Photos, by album."""
        return Repository(self.table, Photo)

    @cached_property
    def faces(self) -> Repository[Face]:
        """Faces, by album."""
        return Repository(self.table, Face)

    @cached_property
    def clusters(self) -> Repository[Cluster]:
        """People, by album."""
        return Repository(self.table, Cluster)

    @cached_property
    def jobs(self) -> Repository[Job]:
        """Jobs, by album."""
        return Repository(self.table, Job)

    @cached_property
    def decisions(self) -> Repository[Decision]:
        """The log of decisions, by album."""
        return Repository(self.table, Decision)

    @cached_property
    def shares(self) -> Repository[Share]:
        """Shares, by album."""
        return Repository(self.table, Share)

    @cached_property
    def archives(self) -> Repository[Archive]:
        """Archives of shares, by album."""
        return Repository(self.table, Archive)
