"""A small in-process cache whose entries die of age. No Django, no clock: the time comes in as `now`."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class ExpiringCache(Generic[Value]):
    """At most `max_entries` values, the least recently used going first. Safe for threads."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._entries: OrderedDict[Hashable, tuple[float, Value]] = OrderedDict()
        self._lock = Lock()
        self._generation = 0

    @property
    def generation(self) -> int:
        """Changes with each `clear`; take it before a value is looked up elsewhere."""
        return self._generation

    def get(self, key: Hashable, *, now: float) -> Value | None:
        """The value of `key` while `now` is before its deadline, else None."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if entry[0] <= now:
                del self._entries[key]
                return None
            self._entries.move_to_end(key)
            return entry[1]

    def put(self, key: Hashable, value: Value, *, until: float, generation: int | None = None) -> None:
        """Keep `value` until the deadline, unless the cache was cleared since `generation`: then it may be outdated."""
        with self._lock:
            if generation is not None and generation != self._generation:
                return
            self._entries[key] = (until, value)
            self._entries.move_to_end(key)
            if len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._generation += 1
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
