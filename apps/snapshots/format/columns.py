"""Columns of numbers and bytes in temporary files: what a manifest is made of. In memory while they are short.

Numbers are unsigned LEB128; differences are zigzag-coded first, so that small ones of either sign stay short.
"""

import tempfile
from collections.abc import Iterator
from typing import IO, BinaryIO, cast

from apps.snapshots.format.errors import CopyDamaged

MEMORY_BYTES = 1024 * 1024
"""Of each column, before it goes to a file."""
BUFFER_BYTES = 64 * 1024
LARGEST_NUMBER = (1 << 63) - 1
LONGEST_SHIFT = 63
"""Where the bits of a tenth byte would go."""
END = b"\0"
"""Behind each text. No text holds it."""


def scratch() -> BinaryIO:
    """A file that is gone when it is closed."""
    return cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES))


def limited(file: IO[bytes], size: int) -> Iterator[bytes]:
    """The next so many bytes of a file, or all that it has."""
    while size and (chunk := file.read(min(BUFFER_BYTES, size))):
        size -= len(chunk)
        yield chunk


class ColumnWriter:
    """Appends; `file` holds what was appended after `flush`."""

    def __init__(self) -> None:
        self.file = scratch()
        self._held = bytearray()
        self._last = 0

    def number(self, value: int) -> None:
        """A number that is not negative."""
        if not 0 <= value <= LARGEST_NUMBER:
            raise ValueError(f"{value} is no number that a column can hold")
        held = self._held
        while value > 0x7F:
            held.append(value & 0x7F | 0x80)
            value >>= 7
        held.append(value)
        if len(held) > BUFFER_BYTES:
            self.flush()

    def difference(self, value: int) -> None:
        """A number as the difference to the one before."""
        change, self._last = value - self._last, value
        self.number(change << 1 if change >= 0 else (-change << 1) - 1)

    def data(self, value: bytes) -> None:
        self._held += value
        if len(self._held) > BUFFER_BYTES:
            self.flush()

    def text(self, value: bytes) -> None:
        if END in value:
            raise ValueError("a text holds no zero byte")
        self.data(value + END)

    def flush(self) -> int:
        """Bytes in the file now."""
        self.file.write(self._held)
        self._held.clear()
        return self.file.tell()

    def close(self) -> None:
        self.file.close()


class ColumnReader:
    """Reads a column, from `start` to `end` of a file that others read as well, as often as it is asked.

    All methods give what one of the writer has put in, to the end of the column. They raise `CopyDamaged` where the
    column was not written so.
    """

    def __init__(self, file: IO[bytes], start: int, end: int) -> None:
        self._file = file
        self._start, self._end = start, end

    def numbers(self) -> Iterator[int]:
        value = shift = 0
        for buffer in self._buffers():
            for byte in buffer:
                if byte > 0x7F:
                    value |= (byte & 0x7F) << shift
                    shift += 7
                    if shift == LONGEST_SHIFT:
                        raise CopyDamaged("A number of the manifest is too long.")
                elif shift:
                    yield value | byte << shift
                    value = shift = 0
                else:
                    yield byte
        if shift:
            raise CopyDamaged("A column of the manifest ends early.")

    def differences(self) -> Iterator[int]:
        value = 0
        for coded in self.numbers():
            value += (coded + 1) // -2 if coded & 1 else coded >> 1
            yield value

    def data(self, size: int) -> Iterator[bytes]:
        """Pieces of so many bytes each."""
        if (self._end - self._start) % size:
            raise CopyDamaged("A column of the manifest ends early.")
        for buffer in self._buffers(BUFFER_BYTES // size * size):
            for at in range(0, len(buffer), size):
                yield buffer[at : at + size]

    def texts(self, most_bytes: int) -> Iterator[bytes]:
        """Texts of at most so many bytes each."""
        rest = b""
        for buffer in self._buffers():
            *whole, rest = (rest + buffer).split(END)
            for text in whole:
                if len(text) > most_bytes:
                    raise CopyDamaged("A text of the manifest is too long.")
                yield text
            if len(rest) > most_bytes:
                raise CopyDamaged("A text of the manifest is too long.")
        if rest:
            raise CopyDamaged("A column of the manifest ends early.")

    def _buffers(self, size: int = BUFFER_BYTES) -> Iterator[bytes]:
        at = self._start
        while at < self._end:
            self._file.seek(at)
            buffer = self._file.read(min(size, self._end - at))
            if not buffer:
                raise CopyDamaged("A column of the manifest ends early.")
            at += len(buffer)
            yield buffer
