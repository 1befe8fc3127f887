"""The file that one process counts in. Imports the metrics library: only after `counters.share_counters`."""

import mmap
from pathlib import Path

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

ROOM_BYTES = 256 * 1024
LONGEST_ENTRY_BYTES = 4096


class CounterFile(MmapedDict):
    """The library's file with all its room on the disk taken beforehand.

    The library leaves holes, and to count into a hole on a full disk is a SIGBUS: the whole web server died of the
    first new kind of answer, which there is the refusal for the full disk. Raises OSError where there is no room.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode:
            _take_room(Path(filename), ROOM_BYTES)
        super().__init__(filename, read_mode)

    def _init_value(self, key: str) -> None:
        if self._used + LONGEST_ENTRY_BYTES > self._capacity:
            _take_room(Path(self._fname), 2 * self._capacity)
            self._capacity *= 2
            self._m = mmap.mmap(self._f.fileno(), self._capacity)
        super()._init_value(key)


def _take_room(path: Path, size_bytes: int) -> None:
    """Lengthens the file with zeros that are really written; where that fails it stays as it was."""
    with path.open("ab") as file:
        before = file.tell()
        try:
            file.write(bytes(max(0, size_bytes - before)))
            file.flush()
        except OSError:
            file.truncate(before)
            raise


def install() -> None:
    """Makes the library use such files for all that is counted from now on."""
    values.MmapedDict = CounterFile  # type: ignore[misc]
