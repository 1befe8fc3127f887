"""Rate limits that hold over all processes, at the price of about one Redis exchange a quarter second and busy key.

Each process counts in memory and now and then trades its count for everybody's. Hits are counted in fixed windows; the
previous window still weighs with the share of it that the last `per_s` seconds overlap, which comes close to a sliding
window. Without Redis a process limits by its own count: never an error, never an open door.
"""

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_EXCHANGE_EVERY_S = 0.25
# After a failure Redis is left alone for so long, so that requests do not queue up behind its time-out.
_AWAY_S = 5.0
# Limits up to here are counted in Redis hit by hit: "10 a minute" must mean ten, and such keys are not hot.
_EXACT_UP_TO = 100
# Larger limits may lag by this part of themselves in each process; a slow key then costs no exchange at all.
_SLACK = 1 / 200
# A process that has this part of a limit to tell does so at once, so that a burst cannot take it many times over.
_BURST = 1 / 20

_FORM = re.compile(r"([0-9]{1,9})/([smh])")
_PERIODS_S = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Limit:
    """`count` hits in any `per_s` seconds."""

    count: int
    per_s: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """From `100000/m`, with s, m or h; None for `off`. Raises ValueError."""
        words = text.strip().lower()
        if words == "off":
            return None
        match = _FORM.fullmatch(words)
        if match is None or int(match[1]) == 0:
            raise ValueError(f"a rate limit reads like 100000/m (s, m or h) or off, not {text!r}")
        return cls(int(match[1]), _PERIODS_S[match[2]])


@dataclass(frozen=True, slots=True)
class _Parcel:
    """Hits on their way to Redis."""

    window: int
    current: int
    previous: int


@dataclass(slots=True)
class _Count:
    """What this process knows of one key. `current` and `previous` are everybody's, our unsent hits included."""

    window: int
    current: int = 0
    previous: int = 0
    unsent: int = 0
    unsent_previous: int = 0
    exchange_after: float = 0.0
    exchanging: bool = False

    def roll(self, window: int) -> None:
        """Moves on to a later window. A clock that went back a little stays in the present one."""
        if window in {self.window, self.window - 1}:
            return
        follows = window == self.window + 1
        self.previous, self.unsent_previous = (self.current, self.unsent) if follows else (0, 0)
        self.current = self.unsent = 0
        self.window = window
        self.exchange_after = 0.0

    def add(self, hits: int) -> None:
        """Counts hits; negative takes them back."""
        self.current += hits
        self.unsent += hits

    def wait_s(self, limit: Limit, now: float) -> float:
        """Seconds until one more hit fits, 0.0 when it does now."""
        passed = min(max(now / limit.per_s - self.window, 0.0), 1.0)
        room = limit.count - 1
        if self.current + self.previous * (1 - passed) <= room:
            return 0.0
        if self.current <= room:
            return (1 - (room - self.current) / self.previous - passed) * limit.per_s
        # This window is full by itself: wait for the next one, and there until this one weighs little enough.
        return (1 - passed + 1 - room / self.current) * limit.per_s

    def pack(self, now: float) -> _Parcel:
        """Takes the unsent hits out, for Redis."""
        parcel = _Parcel(self.window, self.unsent, self.unsent_previous)
        self.unsent = self.unsent_previous = 0
        self.exchange_after = now + _EXCHANGE_EVERY_S
        self.exchanging = True
        return parcel

    def settle(self, parcel: _Parcel, totals: tuple[int, int] | None) -> None:
        """Takes in everybody's counts, or the parcel again when it could not be delivered."""
        self.exchanging = False
        if parcel.window != self.window:
            return
        if totals is None:
            self.unsent += parcel.current
            self.unsent_previous += parcel.previous
        else:
            # Hits that other threads took back meanwhile may not be in these totals yet; only what came on top counts.
            self.current = totals[0] + max(0, self.unsent)
            self.previous = totals[1] + max(0, self.unsent_previous)


class RateLimiter:
    """Counts hits by key. Thread-safe; remembers the `max_keys` keys used last.

    `client` may be None: then this process limits alone. Keys are written to Redis as they are: pass ids, no secrets.
    """

    def __init__(self, client: redis.Redis | None, *, prefix: str = "limit", max_keys: int = 10_000) -> None:
        self._client = client
        self._prefix = prefix
        self._max_keys = max_keys
        self._counts: OrderedDict[tuple[str, Limit], _Count] = OrderedDict()
        self._lock = threading.Lock()
        self._away_until = 0.0

    @classmethod
    def connect(cls, url: str | None, *, prefix: str = "limit", max_keys: int = 10_000) -> Self:
        """Over a Redis URL, with time-outs that suit a hot path; alone when there is none."""
        client = None
        if url:
            client = redis.Redis.from_url(
                url, socket_timeout=0.25, socket_connect_timeout=0.25, retry=Retry(NoBackoff(), 0)
            )
        return cls(client, prefix=prefix, max_keys=max_keys)

    def hit(self, key: str, limit: Limit | None, *, now: float) -> float:
        """Counts one hit if it is allowed. Returns 0.0 then, else the seconds to wait.

        `now` is Unix time. A refused hit is not counted, so hammering does not prolong the wait. Mostly memory only;
        every now and then one Redis round trip, at most 0.25 s when Redis hangs, and then none for 5 s.
        """
        return self._ask(key, limit, now, hits=1)

    def wait_s(self, key: str, limit: Limit | None, *, now: float) -> float:
        """What `hit` would return, counting nothing."""
        return self._ask(key, limit, now, hits=0)

    def _ask(self, key: str, limit: Limit | None, now: float, *, hits: int) -> float:
        if limit is None:
            return 0.0
        with self._lock:
            count = self._count(key, limit, now)
            wait_s = count.wait_s(limit, now)
            hits_in = 0 if wait_s else hits
            count.add(hits_in)
            if not self._is_exchange_due(count, limit, now, counted=hits_in > 0, refused=wait_s > 0):
                return wait_s
            parcel = count.pack(now)
        totals = self._exchange(key, limit, parcel, now)
        with self._lock:
            count.settle(parcel, totals)
            count.add(-hits_in)
            wait_after_s = count.wait_s(limit, now)
            if wait_after_s:
                return wait_after_s
            count.add(hits_in)
        # Refused by an old count, open by the new one: the hit is counted the regular way.
        return self._ask(key, limit, now, hits=hits) if wait_s else 0.0

    def _count(self, key: str, limit: Limit, now: float) -> _Count:
        """The key's count in the present window. Call under the lock."""
        window = int(now // limit.per_s)
        place = (key, limit)
        count = self._counts.get(place)
        if count is None:
            count = self._counts[place] = _Count(window)
            if len(self._counts) > self._max_keys:
                self._counts.popitem(last=False)
        else:
            self._counts.move_to_end(place)
            count.roll(window)
        return count

    def _is_exchange_due(self, count: _Count, limit: Limit, now: float, *, counted: bool, refused: bool) -> bool:
        if self._client is None or now < self._away_until:
            return False
        exact = limit.count <= _EXACT_UP_TO
        if exact and counted:
            return True
        unsent = abs(count.unsent) + abs(count.unsent_previous)
        if count.exchanging or (now < count.exchange_after and unsent < limit.count * _BURST):
            return False
        return exact or refused or unsent >= limit.count * _SLACK

    def _exchange(self, key: str, limit: Limit, parcel: _Parcel, now: float) -> tuple[int, int] | None:
        """Everybody's counts of this window and the one before, our parcel included; None when Redis is away."""
        assert self._client is not None
        pipe = self._client.pipeline(transaction=False)
        stem = f"{self._prefix}:{limit.per_s}:{key}"
        shares = {f"{stem}:{parcel.window}": parcel.current, f"{stem}:{parcel.window - 1}": parcel.previous}
        for name, hits in shares.items():
            if hits:
                pipe.incrby(name, hits)
            else:
                pipe.get(name)
        for name, hits in shares.items():
            if hits:
                pipe.expire(name, 2 * limit.per_s + 1)
        try:
            answers: list[Any] = pipe.execute()
        except (redis.RedisError, OSError):
            self._away_until = now + _AWAY_S
            return None
        return int(answers[0] or 0), int(answers[1] or 0)
