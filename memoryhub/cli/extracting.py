"""`memoryhub snapshot extract`: the files of a copy, without a hub and without a database."""

import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memoryhub.cli.hub import CANNOT, REFUSED, complain

if TYPE_CHECKING:
    from apps.snapshots.format.extracting import Extracted
    from apps.snapshots.format.manifests import Entry
    from apps.snapshots.format.reading import CopyReader
    from apps.snapshots.places.base import Place
    from memoryhub.settings.env import Values

INTERRUPTED = 130
S3 = "s3://"
NEEDED = ("cryptography", "django", "storages", "zstandard")
BUCKET_SETTINGS = {
    "access_key": ("CLOUD_SYNC_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
    "secret_key": ("CLOUD_SYNC_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"),
    "session_token": (None, "AWS_SESSION_TOKEN"),
    "region": ("CLOUD_SYNC_REGION", "AWS_REGION"),
    "endpoint_url": ("CLOUD_SYNC_ENDPOINT", "S3_ENDPOINT_URL"),
    "addressing_style": ("CLOUD_SYNC_ADDRESSING_STYLE", None),
    "checksum_mode": ("CLOUD_SYNC_CHECKSUM_MODE", None),
}
"""Where each option of a bucket is said: for the bucket of CLOUD_SYNC_*, and for any other."""
READ = {"MEMORYHUB_SNAPSHOT_KEY", "CLOUD_SYNC_BUCKET", *(name for pair in BUCKET_SETTINGS.values() for name in pair)}
"""Nothing else in the environment can keep an extraction from running."""


def extract(
    manifest: Annotated[
        str, typer.Argument(metavar="MANIFEST", help="A copy's manifest.mhs: a file, or s3://BUCKET/.../manifest.mhs.")
    ],
    to: Annotated[Path | None, typer.Option("--to", metavar="DIR", help="Where the files go: a new directory.")] = None,
    path: Annotated[str, typer.Option("--path", help="Only this folder, or this file.", show_default=False)] = "",
    list_only: Annotated[bool, typer.Option("--list", help="Say what the copy holds, and write nothing.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="The directory may hold files; those of the copy's names are replaced.")
    ] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Leave out what is damaged or cannot be written here, and go on.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, as into a pipe.")] = False,
) -> None:
    """Write the files of a copy into a directory. It needs no hub, no database and, for a directory, no network.

    memoryhub snapshot extract /mnt/usb/copies/default/manual_20260214_120000/manifest.mhs --to memories

    Encrypted copies need the master key, in MEMORYHUB_SNAPSHOT_KEY or a file that MEMORYHUB_SNAPSHOT_KEY_FILE names.
    Buckets are reached with CLOUD_SYNC_ENDPOINT, _REGION, _ACCESS_KEY and _SECRET_KEY, or S3_ENDPOINT_URL and AWS_*.

    Exit codes: 0 all is there; 1 the copy is damaged, or something of it was left out; 2 it could not run, or not to
    its end.
    """
    if (to is None) is not list_only:
        complain("Give either --to with a directory for the files, or --list.")
        raise typer.Exit(CANNOT)
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        complain(f"Copies are read with the server's packages ({missing[0]} is missing): install memoryhub[server].")
        raise typer.Exit(CANNOT)
    teller: _Teller = (_JsonLines if as_json or not sys.stdout.isatty() else _Terminal)()
    with _complaints(), _opened(manifest) as reader:
        if to is None:
            _list(reader, path.strip("/"), teller, as_json=as_json)
            return
        from apps.snapshots.format.extracting import extract as write

        teller.opened(reader)
        with teller.running():
            done = write(
                reader, to, prefix=path.strip("/"), overwrite=overwrite, keep_going=keep_going, tell=teller.hear
            )
    teller.finished(done, to)
    if done.problems:
        raise typer.Exit(REFUSED)


def _list(reader: "CopyReader", path: str, teller: "_Teller", *, as_json: bool) -> None:
    if as_json:
        teller.opened(reader)
    files = size_bytes = 0
    for entry in reader.entries(path):
        files += 1
        size_bytes += entry.size_bytes
        if as_json:
            print(json.dumps(_row(entry)))
        else:
            print(f"{entry.size_bytes:>10}  {entry.path}")
    if not as_json:
        header = reader.header
        is_what = "encrypted" if reader.is_encrypted else "not encrypted"
        print(
            f"{files} files, {size_bytes} bytes, {is_what}. {header.name} is a {header.kind} snapshot of the workspace "
            f"{header.workspace} at {header.created_at:%Y-%m-%d %H:%M:%S} UTC."
        )


def _row(entry: "Entry") -> dict[str, Any]:
    return {
        "event": "file",
        "path": entry.path,
        "size_bytes": entry.size_bytes,
        "sha256": entry.sha256.hex(),
        "content_type": entry.content_type,
        "changed_at_ms": entry.changed_at,
    }


# --- Where the copy lies


@contextmanager
def _opened(manifest: str) -> "Iterator[CopyReader]":
    """The copy, read and checked. Call inside `_complaints`."""
    from django.conf import settings

    from apps.snapshots.format.reading import CopyReader, Seals
    from apps.snapshots.format.sealing import MasterKeys

    if not settings.configured:
        # The storages ask Django for defaults. There is no database in these.
        settings.configure()
    values = _values()
    place, name = _bucket_place(manifest, values) if manifest.startswith(S3) else _directory_place(manifest)
    masters = MasterKeys.parse(values["MEMORYHUB_SNAPSHOT_KEY"])
    with CopyReader(place, name, Seals(place, masters)) as reader:
        if masters and not reader.is_encrypted:
            complain("This copy is not encrypted: your key says nothing of who wrote it.")
        yield reader


def _values() -> "Values":
    """The settings that matter here. A sentence and exit code 2 for one that cannot be."""
    from memoryhub.settings.env import ENV_FILE, SettingsError, read

    given = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") in READ}
    try:
        return read(given | {ENV_FILE: "none"}, Path.cwd())
    except SettingsError as error:
        complain(str(error))
        raise typer.Exit(CANNOT) from None


def _directory_place(manifest: str) -> "tuple[Place, str]":
    from apps.snapshots.format.names import MANIFEST
    from apps.snapshots.places.opening import directory_place

    path = Path(manifest).absolute()
    if path.is_dir():
        path /= MANIFEST
    if not path.is_file():
        complain(f"{path} is not there, or is no file.")
        raise typer.Exit(CANNOT)
    return directory_place(path.parent.parent), _copy_of(f"{path.parent.name}/{path.name}")


def _bucket_place(manifest: str, values: "Values") -> "tuple[Place, str]":
    from apps.snapshots.places.opening import S3Options, s3_place

    bucket, _, key = manifest.removeprefix(S3).partition("/")
    prefix, _, folder = key.rpartition("/")[0].rpartition("/")
    name = _copy_of(f"{folder}/{key.rpartition('/')[2]}")
    return s3_place(S3Options(bucket=bucket, prefix=prefix, **_bucket_options(bucket, values))), name


def _bucket_options(bucket: str, values: "Values") -> dict[str, Any]:
    """Of CLOUD_SYNC_*, where they are about this bucket, or about any that has keys or an endpoint; else of AWS_*."""
    named = values["CLOUD_SYNC_BUCKET"]
    is_theirs = named == bucket or (not named and bool({"CLOUD_SYNC_ACCESS_KEY", "CLOUD_SYNC_ENDPOINT"} & values.given))
    chosen = {option: pair[0 if is_theirs else 1] for option, pair in BUCKET_SETTINGS.items()}
    options = {option: values[name] for option, name in chosen.items() if name is not None}
    if options.get("addressing_style") == "auto":
        del options["addressing_style"]
    return options


def _copy_of(name: str) -> str:
    from apps.snapshots.format.names import MANIFEST, copy_of

    copy = copy_of(name)
    if copy is None:
        complain(f"A manifest is called {MANIFEST}, and lies in a folder with the name of its snapshot.")
        raise typer.Exit(CANNOT)
    return copy


@contextmanager
def _complaints() -> Iterator[None]:
    """Turns what stops an extraction into a sentence and an exit code."""
    from apps.common.errors import DomainError
    from apps.snapshots.format.errors import CopyDamaged

    try:
        yield
    except CopyDamaged as error:
        complain(str(error))
        raise typer.Exit(REFUSED) from None
    except DomainError as error:
        complain(str(error))
        raise typer.Exit(CANNOT) from None
    except KeyboardInterrupt:
        complain("Stopped. The files that are there are whole.")
        raise typer.Exit(INTERRUPTED) from None


# --- Telling


class _Teller(ABC):
    @abstractmethod
    def opened(self, reader: "CopyReader") -> None: ...

    @contextmanager
    def running(self) -> Iterator[None]:
        """Around the extraction."""
        yield

    @abstractmethod
    def hear(self, entry: "Entry", problem: str) -> None:
        """As `extracting.Tell`."""

    @abstractmethod
    def finished(self, done: "Extracted", to: Path) -> None: ...


class _JsonLines(_Teller):
    """One object a line: `event` and what belongs to it. Of files, only those that were left out."""

    def opened(self, reader: "CopyReader") -> None:
        from apps.common.times import rfc3339

        header = reader.header
        self._line(
            "opened",
            name=header.name,
            workspace=header.workspace,
            kind=header.kind,
            created_at=rfc3339(header.created_at),
            files=header.files,
            size_bytes=header.size_bytes,
            is_encrypted=reader.is_encrypted,
            message=reader.details.message,
            tags=reader.details.tags,
        )

    def hear(self, entry: "Entry", problem: str) -> None:
        if problem:
            self._line("problem", path=entry.path, about=problem)

    def finished(self, done: "Extracted", to: Path) -> None:
        self._line(
            "finished",
            is_whole=not done.problems,
            files=done.files,
            size_bytes=done.size_bytes,
            problems=done.problems,
        )

    @staticmethod
    def _line(event: str, **fields: object) -> None:
        print(json.dumps({"event": event, **fields}), flush=True)


class _Terminal(_Teller):
    """A bar while it works, a line for each problem, and a sentence at the end."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(highlight=False)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task = self._progress.add_task("extracting", total=None)

    def opened(self, reader: "CopyReader") -> None:
        self._progress.update(self._task, total=reader.header.files)

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._progress:
            yield

    def hear(self, entry: "Entry", problem: str) -> None:
        from rich.text import Text

        if problem:
            self._console.print(Text(f"left out: {entry.path} ({problem})"), soft_wrap=True)
        self._progress.update(self._task, advance=1)

    def finished(self, done: "Extracted", to: Path) -> None:
        from rich.text import Text

        left_out = f"; {done.problems} could not be extracted" if done.problems else ""
        told = f"{done.files} files, {done.size_bytes} bytes, are in {to}{left_out}."
        self._console.print(Text(told), soft_wrap=True)
