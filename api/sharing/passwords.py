"""Passwords of shares: Argon2id, and a lock-out that grows with every wrong try.

Tries are counted in the table before they are checked, so that neither many tries at once nor a
crash in between gets anybody more of them. The lock is the share's, not the caller's: guessing from
many addresses is no faster. Recipients who are in already stay in.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from api.domain.share_models import Share
from api.errors import Conflict, Gone, TooManyRequests, Unauthorized
from api.ids import now
from api.repositories.table import ConditionFailed, Expect, Update
from api.services import Services

FREE_TRIES = 5
"""Wrong tries before the first pause."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
"""The pause after the last free try, doubled with each one after it, and the longest."""

_hasher = PasswordHasher()  # RFC 9106, second recommended option
_hashing = BoundedSemaphore(2)
"""A hash takes 64 MiB for a moment: a crowd must not take the machine's memory."""
_RACES = 50


def hash_password(password: str) -> str:
    """As it is kept."""
    with _hashing:
        return _hasher.hash(password)


def check_password(services: Services, share: Share, password: str) -> Share:
    """The share that the password opens; its count of wrong tries is set back.

    Raises:
        Unauthorized: it is not the password.
        TooManyRequests: no password is tried for now.
        Gone: the share was removed meanwhile.
    """
    if share.password_hash is None:
        return share
    counted = _count_try(services, share)
    with _hashing:
        right = _verify(counted.password_hash, password)
    if not right:
        left = FREE_TRIES - counted.wrong_tries
        raise Unauthorized("this is not the password", triesLeft=max(left, 0))
    # A right password forgives every wrong one, those of others that came meanwhile too.
    expect = Expect(True, {"passwordHash": counted.password_hash})
    try:
        services.table.write(
            Update(share.key(), {"wrongTries": 0, "lockedUntil": None}, expect=expect)
        )
    except ConditionFailed as error:
        raise Conflict("the share was changed meanwhile; try again") from error
    return counted


def _verify(password_hash: str | None, password: str) -> bool:
    if password_hash is None:
        return True
    try:
        return _hasher.verify(password_hash, password)
    except VerificationError:
        return False


def _count_try(services: Services, share: Share) -> Share:
    for _ in range(_RACES):
        moment = now()
        if share.locked_until is not None and moment < share.locked_until:
            raise TooManyRequests(
                "too many wrong passwords; try again later", _seconds(moment, share.locked_until)
            )
        tries = share.wrong_tries + 1
        expect = Expect(True, {"wrongTries": share.wrong_tries})
        try:
            return services.shares.update(
                share, expect, wrong_tries=tries, locked_until=_locked_until(moment, tries)
            )
        except ConditionFailed:
            found = services.shares.get(share.key())
            if found is None:
                raise Gone("this share is no more") from None
            share = found
    raise TooManyRequests("too many tries at once; try again later", 1)


def _locked_until(moment: str, tries: int) -> str | None:
    if tries < FREE_TRIES:
        return None
    doublings = min(tries - FREE_TRIES, 16)
    pause = min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
    until = datetime.fromisoformat(moment).astimezone(UTC) + pause
    return until.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _seconds(moment: str, until: str) -> int:
    pause = datetime.fromisoformat(until) - datetime.fromisoformat(moment)
    return max(int(pause.total_seconds()) + 1, 1)
