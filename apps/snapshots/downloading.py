"""Copies as folders of this machine: fetched from a target, proven, and kept until somebody restores from them.

A folder holds `files/`, `metadata.json` with a line for each file, and `config.json` about the copy.
"""

import errno
import json
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from secrets import token_hex

from apps.blobs.spooling import CHUNK_BYTES
from apps.common.errors import StorageFull, Unavailable
from apps.common.times import rfc3339
from apps.files.errors import BadPath
from apps.files.paths import checked_path
from apps.snapshots.errors import NotRestorable
from apps.snapshots.format.errors import CopyDamaged
from apps.snapshots.format.extracting import CannotExtract, extract
from apps.snapshots.format.manifests import Entry
from apps.snapshots.format.names import is_copy
from apps.snapshots.format.reading import NO_ROOM
from apps.snapshots.models import RemoteCopy
from apps.snapshots.restoring import reader_of

FILES, METADATA, CONFIG = "files", "metadata.json", "config.json"
PART_PREFIX = ".part-"
LEFT_OVER_AFTER_S = 24 * 3600.0


def download(copy: RemoteCopy, directory: Path) -> int:
    """Brings a copy into a folder, which appears whole, in the place of an older one; how many files it has.

    Raises what the target raises, `CopyDamaged`, `CopyKeyMissing`, `StorageFull`, `Unavailable`, and `NotRestorable`
    for files that this disk cannot hold under their names.
    """
    home = directory.parent
    part = home / f"{PART_PREFIX}{token_hex(8)}"
    try:
        # What is encrypted in its target lies here in clear.
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        _clear(home)
        part.mkdir()
        files = _fetched(copy, part)
        _put_in_place(part, directory)
    except CannotExtract as error:
        raise NotRestorable(str(error)) from error
    except OSError as error:
        refusal = StorageFull if error.errno in NO_ROOM else Unavailable
        raise refusal(f"The folder for copies cannot be written ({error.strerror}).") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return files


def _fetched(copy: RemoteCopy, part: Path) -> int:
    with reader_of(copy) as reader:
        done = extract(reader, part / FILES)
        with (part / METADATA).open("w", encoding="utf-8") as file:
            file.write("[")
            for number, entry in enumerate(reader.entries()):
                file.write(("," if number else "") + "\n" + json.dumps(_told(entry), ensure_ascii=False))
            file.write("\n]\n")
    about = {"format": 1, "name": copy.name, "kind": copy.kind, "created_at": rfc3339(copy.created_at)}
    (part / CONFIG).write_text(json.dumps(about | {"files": done.files, "size_bytes": done.size_bytes}) + "\n")
    return done.files


def _told(entry: Entry) -> dict[str, str | int]:
    return {
        "path": entry.path,
        "sha256": entry.sha256.hex(),
        "size_bytes": entry.size_bytes,
        "content_type": entry.content_type,
        "changed_at": entry.changed_at,
    }


def _put_in_place(part: Path, directory: Path) -> None:
    """A folder cannot be replaced in one step; killed between the two, there is none."""
    while True:
        old = part.with_name(f"{part.name}-{token_hex(4)}")
        with suppress(FileNotFoundError):
            directory.rename(old)
        try:
            part.rename(directory)
        except OSError as error:
            # Another download of the same copy came between.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return
        finally:
            shutil.rmtree(old, ignore_errors=True)


def _clear(home: Path) -> None:
    """Removes what killed processes left a day ago."""
    for path in home.glob(f"{PART_PREFIX}*"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - LEFT_OVER_AFTER_S:
                shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A copy in a folder, with the same methods as a reader. `created_at` is the time of its state."""

    directory: Path
    kind: str
    created_at: datetime
    downloaded_at: float

    @property
    def name(self) -> str:
        return self.directory.name

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Its files below a checked prefix, in the order of the paths' bytes. Raises `CopyDamaged`."""
        last = b""
        try:
            with (self.directory / METADATA).open(encoding="utf-8") as lines:
                for line in lines:
                    if line.strip() in ("[", "]", "[]", ""):
                        continue
                    entry = _entry(json.loads(line.strip().rstrip(",")))
                    if entry.path.encode() <= last:
                        raise ValueError("the files are not in order")
                    last = entry.path.encode()
                    if entry.path.startswith(prefix):
                        yield entry
        except (OSError, ValueError, KeyError, TypeError, AttributeError, BadPath) as error:
            raise CopyDamaged("The list of the files cannot be read.", object=METADATA) from error

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """Files with their bytes, which nobody has proven. Raises `CopyDamaged` for one that is gone."""
        for entry in entries:
            yield entry, _bytes_of(self.directory / FILES / entry.path)


def _entry(told: dict[str, str | int]) -> Entry:
    """Raises whatever there is for what cannot be."""
    sha256 = bytes.fromhex(str(told["sha256"]))
    return Entry(
        checked_path(str(told["path"])),
        sha256,
        int(told["size_bytes"]),
        str(told["content_type"]),
        int(told["changed_at"]),
        (),
    )


def _bytes_of(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from iter(partial(file.read, CHUNK_BYTES), b"")
    except OSError as error:
        raise CopyDamaged("A file is gone.", object=path.name) from error


def downloads_in(home: Path) -> list[Downloaded]:
    """The copies that were brought into folders here, by name."""
    try:
        folders = sorted(path for path in home.iterdir() if is_copy(path.name))
    except FileNotFoundError:
        return []
    return [found for found in map(downloaded_at, folders) if found is not None]


def downloaded_at(directory: Path) -> Downloaded | None:
    """None where no copy was brought."""
    try:
        about = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
        moment = directory.stat().st_ctime
        return Downloaded(directory, str(about["kind"]), datetime.fromisoformat(about["created_at"]), moment)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget_downloads(home: Path, *, most: int) -> None:
    """Removes all but the newest ones, by when they were brought."""
    for found in sorted(downloads_in(home), key=lambda found: found.downloaded_at)[: -most or None]:
        shutil.rmtree(found.directory, ignore_errors=True)
