"""A user's consent to let corrections train the models; without it nothing leaves the account."""

from __future__ import annotations

from collections.abc import Iterator

from api.domain.erase import Closed, check_open
from api.domain.models import Record
from api.ids import now
from api.repositories.records import Repository
from api.repositories.table import Index, Key
from api.services import Services

SORT_KEY = "CONSENT#training"
"""Of the row of a user's consent; also the partition of the index that has all of them."""


class TrainingConsent(Record):
    """Says yes; there is none for no. Erasing the account removes it with all other rows."""

    prefix = "CONSENT#"

    user_id: str
    given_at: str

    def key(self) -> Key:
        return self.key_of(self.user_id)

    @staticmethod
    def key_of(user_id: str) -> Key:
        """Key of a user's consent."""
        return Key(f"USER#{user_id}", SORT_KEY)

    def index_attributes(self) -> dict[str, str]:
        return {"gsi1pk": SORT_KEY, "gsi1sk": self.user_id}


def give(services: Services, user_id: str) -> None:
    """The user's corrections may train the models.

    Raises:
        Conflict: the account is being erased.
    """
    check_open(services, user_id)
    _consents(services).save(TrainingConsent(user_id=user_id, given_at=now()))


def withdraw(services: Services, user_id: str) -> None:
    """From now on they may not; the next export is without them."""
    _consents(services).delete([TrainingConsent.key_of(user_id)])


def is_given(services: Services, user_id: str) -> bool:
    """May the user's corrections train the models? Not of an account that is being erased."""
    found = services.table.get_many([TrainingConsent.key_of(user_id), Closed.key_of(user_id)])
    return found[0] is not None and found[1] is None


def users(services: Services) -> Iterator[str]:
    """Everyone who consents, in order; the index may be a little behind."""
    for row in _consents(services).index_all(Index.GSI1, SORT_KEY):
        if is_given(services, row.user_id):
            yield row.user_id


def _consents(services: Services) -> Repository[TrainingConsent]:
    return Repository(services.table, TrainingConsent)
