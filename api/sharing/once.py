"""Requests that may be repeated: an answer that was lost is given again, and nothing is made twice.

The client names its request by a key (draft-ietf-httpapi-idempotency-key-header). The ids of the
shares derive from owner, album, key and place in the request, so that those of a repeat are those
of the first; each share keeps a signature of the request, which tells a repeat from another request
of the same key. Both are made with the server's secrets: an id cannot be computed from a key, and
the signature tells nothing of the password in the request.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from api.domain.models import Album
from api.domain.share_models import Share
from api.errors import KeyReused
from api.services import Services
from api.sharing.tokens import share_id_of

_ID, _REQUEST = "share id", "share request"


@dataclass(frozen=True)
class Once:
    """A request that is carried out once.

    key: the client's own, the same whenever it sends the request.
    content: the request, the same text whenever it is sent.
    """

    key: str
    content: str


def share_id(services: Services, album: Album, once: Once, number: int) -> str:
    """The id of the share of a recipient, who are numbered from 0."""
    return share_id_of(services.keyring.sign(_ID, _message(album, once, number)))


def mark(services: Services, once: Once) -> str:
    """What a share keeps of the request that made it."""
    return services.keyring.sign(_REQUEST, once.content)


def made_before(services: Services, album: Album, once: Once, count: int) -> list[Share]:
    """The shares that this request has made already, of ``count`` recipients; none: it has not.

    Raises:
        KeyReused: another request came with this key.
    """
    # Of older secrets, too: a repeat may come after they were replaced.
    by_number = [
        services.keyring.signatures(_ID, _message(album, once, number)) for number in range(count)
    ]
    for signatures in zip(*by_number, strict=True):
        keys = [Share.key_of(album.id, share_id_of(signature)) for signature in signatures]
        first = services.shares.get(keys[0])
        if first is None:
            continue
        if not services.keyring.is_valid(_REQUEST, once.content, first.request or ""):
            raise KeyReused("another request was sent with this Idempotency-Key: take a new one")
        return [share for share in services.shares.get_many(keys) if share is not None]
    return []


def _message(album: Album, once: Once, number: int) -> str:
    return json.dumps([album.user_id, album.id, once.key, number])
