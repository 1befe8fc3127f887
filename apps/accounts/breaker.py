"""Stops asking a service that does not answer. Pure: the time comes in as `now`."""

from threading import Lock


class Breaker:
    """After `failures` in a row it is open for `open_s` seconds; then one caller may try. Thread-safe."""

    def __init__(self, *, failures: int, open_s: float) -> None:
        self._threshold = failures
        self._open_s = open_s
        self._failed = 0
        self._opens_at = 0.0
        self._lock = Lock()

    def wait_s(self, *, now: float) -> float:
        """0 when the caller may ask, else the seconds until somebody may. Asking may be granted to one at a time."""
        with self._lock:
            if self._failed < self._threshold:
                return 0.0
            if now < self._opens_at:
                return self._opens_at - now
            # This caller is the one that tries; the next may after another pause, should this one never report.
            self._opens_at = now + self._open_s
            return 0.0

    def succeeded(self) -> None:
        """The service answered."""
        with self._lock:
            self._failed = 0

    def failed(self, *, now: float) -> None:
        """The service did not answer, or not with sense."""
        with self._lock:
            self._failed += 1
            self._opens_at = now + self._open_s
