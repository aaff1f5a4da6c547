"""Rate limits: token buckets, kept in memory for each user and each address."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from threading import Lock

from api import metrics
from api.errors import TooManyRequests
from api.settings import Settings

_REMEMBERED = 50_000


class TokenBuckets:
    """A bucket for each name: ``burst`` tokens when full, ``rate`` more each second.

    Buckets not used for longest are forgotten beyond a number, so that names cannot fill memory.
    """

    def __init__(self, limit: str, rate: float, burst: float) -> None:
        self.limit = limit
        self.rate = rate
        self.burst = burst
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, now: float | None = None) -> None:
        """Take a token.

        Raises:
            TooManyRequests: the bucket is empty; says when it is not.
        """
        moment = time.monotonic() if now is None else now
        with self._lock:
            tokens, since = self._buckets.pop(name, (self.burst, moment))
            tokens = min(self.burst, tokens + (moment - since) * self.rate)
            enough = tokens >= 1
            self._buckets[name] = (tokens - 1 if enough else tokens, moment)
            if len(self._buckets) > _REMEMBERED:
                self._buckets.popitem(last=False)
        if not enough:
            metrics.REQUESTS_LIMITED.labels(self.limit).inc()
            wait = math.ceil((1 - tokens) / self.rate)
            raise TooManyRequests("too many requests: wait a little", retry_after=max(1, wait))


class Limits:
    """The limits of one application."""

    def __init__(self, settings: Settings) -> None:
        self.user = TokenBuckets("user", settings.rate_per_user, 10 * settings.rate_per_user)
        self.address = TokenBuckets(
            "address", settings.rate_per_address, 10 * settings.rate_per_address
        )
        self.sign_in = TokenBuckets("signIn", settings.rate_sign_in, 10 * settings.rate_sign_in)
