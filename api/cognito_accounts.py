"""People's accounts to sign in, in a Cognito user pool."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_ISSUER = re.compile(r"https://cognito-idp\.[a-z0-9-]+\.amazonaws\.com/([a-z0-9-]+_[A-Za-z0-9]+)/?")


class CognitoAccounts:
    """See `api.auth.Accounts`.

    Args:
        client: makes boto3's client of Cognito's user pools when it is needed, which is seldom.
        pool: id of the user pool.
    """

    def __init__(self, client: Callable[[], Any], pool: str) -> None:
        self._client = client
        self._pool = pool

    def remove(self, user_id: str) -> None:
        """Remove an account, by the subject of its tokens."""
        client = self._client()
        # Gone before a crash, or by its owner's own hand.
        with suppress(client.exceptions.UserNotFoundException):
            client.admin_delete_user(UserPoolId=self._pool, Username=user_id)


def pool_of(issuer: str | None) -> str | None:
    """Id of the user pool that an issuer of tokens is; None: it is none.

    >>> pool_of("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123")
    'eu-west-1_AbC123'
    """
    found = _ISSUER.fullmatch(issuer or "")
    return None if found is None else found[1]
