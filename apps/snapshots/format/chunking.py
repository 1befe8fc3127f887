"""Where files are cut. Small ones are not: only above 1 MiB an edit leaves enough unchanged to pay for looking.

Cut points follow the content (FastCDC, of about 1 MiB), so that bytes put in front of others move only the first cut.
"""

from collections.abc import Iterable, Iterator

from pyfastcdc import FastCDC

WHOLE_BYTES = 1024 * 1024
"""Files up to this size are one chunk."""
LEAST_BYTES, AVERAGE_BYTES, MOST_BYTES = 256 * 1024, 1024 * 1024, 4 * 1024 * 1024


class ChunkReader:
    """Chunks of bytes as something to `read` or `readinto` from."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = memoryview(b"")

    def readinto(self, buffer: bytearray | memoryview) -> int:
        if not self._held:
            # An empty chunk is not the end.
            self._held = memoryview(next(filter(None, self._chunks), b""))
        count = min(len(buffer), len(self._held))
        buffer[:count] = self._held[:count]
        self._held = self._held[count:]
        return count

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; all that is left when it is negative."""
        if size < 0:
            rest = bytes(self._held) + b"".join(self._chunks)
            self._held = memoryview(b"")
            return rest
        taken = bytearray(size)
        return bytes(taken[: self.readinto(taken)]) if size else b""


def cut(chunks: Iterable[bytes], seed: int) -> Iterator[bytes]:
    """The content of a large file in pieces of 256 KiB to 4 MiB. Holds a few MiB."""
    cutter = FastCDC(avg_size=AVERAGE_BYTES, min_size=LEAST_BYTES, max_size=MOST_BYTES, seed=seed)
    for piece in cutter.cut_stream(ChunkReader(chunks)):
        yield bytes(piece.data)
