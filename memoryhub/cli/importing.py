"""`memoryhub import`: moving in from another service."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memoryhub.cli import import_memories
from memoryhub.cli.hub import CANNOT, REFUSED, DataOption, complain, named_workspace, open_hub
from memoryhub.cli.import_telling import INTERRUPTED, Teller, Words, reporting, teller_for

if TYPE_CHECKING:
    from apps.dialects.memory_proxy.bucket import OldBucket
    from apps.dialects.memory_proxy.outcomes import Row
    from apps.dialects.totals import Totals

commands = typer.Typer(no_args_is_help=True)
OBJECTS = Words("object", "objects", "Everything that the bucket has is here.")
THREADS = 8
MOST_THREADS = 64
KEY_PREFIX = "SILICA_"
"""Of the variables that the keys may come from: without it they would be the hub's own."""


class LayoutName(StrEnum):
    """As `layouts.Layout`, which the base install does not have."""

    CURRENT = "current"
    SEED = "seed"


@commands.callback()
def import_from() -> None:
    """Move in from another service. Nothing is changed there."""


@commands.command("silica-bucket")
def silica_bucket(
    slug: Annotated[str, typer.Argument(metavar="WORKSPACE", help="Where the files go.")],
    settings: Annotated[
        Path | None,
        typer.Option(
            help=f"The old service's .env. Without it the keys come from {KEY_PREFIX}AWS_ACCESS_KEY_ID and "
            f"{KEY_PREFIX}AWS_SECRET_ACCESS_KEY.",
            dir_okay=False,
        ),
    ] = None,
    bucket: Annotated[str | None, typer.Option(help="Instead of S3_BUCKET there.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Instead of S3_PREFIX there.")] = None,
    endpoint_url: Annotated[str | None, typer.Option(help="Instead of S3_ENDPOINT_URL there.")] = None,
    region: Annotated[str | None, typer.Option(help="Instead of AWS_REGION there.")] = None,
    layout: Annotated[
        LayoutName, typer.Option(help="current: with namespaces, as all releases; seed: /blob/{path}, without.")
    ] = LayoutName.CURRENT,
    namespace: Annotated[
        list[str] | None, typer.Option(help="Only this namespace and those below it; may be given often.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write a JSON line for each object to this file.", dir_okay=False)
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="Downloads at once.")] = THREADS,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, as into a pipe.")] = False,
    data: DataOption = None,
) -> None:
    """Bring the files of a Silica memory proxy's bucket into a workspace, with the history that the bucket keeps.

    memoryhub import silica-bucket default --settings /srv/memory-proxy/.env --dry-run

    Run again, it takes what is new; what was written at the hub meanwhile stays.

    Exit codes: 0 all is here; 1 something is not, and it says what and why; 2 it could not run, or not to its end.
    """
    if namespace and (layout is LayoutName.SEED or not all(each.strip("/") for each in namespace)):
        complain("--namespace names a folder, and only the current layout has namespaces.")
        raise typer.Exit(CANNOT)
    given = {"S3_BUCKET": bucket, "S3_PREFIX": prefix, "S3_ENDPOINT_URL": endpoint_url, "AWS_REGION": region}
    values = _old_values(settings) | {name: value for name, value in given.items() if value is not None}
    teller = teller_for(OBJECTS, as_json=as_json, dry_run=dry_run)
    with open_hub(data, patient=True), reporting(report, teller.hear) as hear, _complaints():
        source = _old_bucket(values, layout, connections=threads)
        totals = _imported(slug, source, layout, namespace or (), dry_run=dry_run, hear=hear, teller=teller)
    if totals.problems:
        complain(f"Not everything {'would be' if dry_run else 'is'} here: the lines say why for {totals.problems}.")
        raise typer.Exit(REFUSED)


def _imported(
    slug: str,
    source: "OldBucket",
    layout: LayoutName,
    namespaces: Sequence[str],
    *,
    dry_run: bool,
    hear: "Callable[[Row], None]",
    teller: Teller,
) -> "Totals":
    """Runs the import and tells of it. Call inside `open_hub`."""
    from apps.dialects.memory_proxy.importing import Import
    from apps.dialects.memory_proxy.layouts import Layout

    run = Import(
        named_workspace(slug),
        source,
        Layout(layout),
        namespaces,
        threads=source.connections,
        dry_run=dry_run,
        tell=hear,
        expect=teller.expect,
    )
    with teller.running():
        totals = run.run()
    teller.finished(totals)
    return totals


def _old_values(settings: Path | None) -> dict[str, str]:
    """The old service's own settings by name; keys in the environment win over those in the file."""
    from memoryhub.settings.env import SettingsError, parse_file

    values: dict[str, str] = {}
    if settings is not None:
        try:
            values = parse_file(settings.read_text(encoding="utf-8"), str(settings))
        except SettingsError as error:
            complain(str(error))
            raise typer.Exit(CANNOT) from None
        except (OSError, UnicodeDecodeError) as error:
            complain(f"{settings} cannot be read ({type(error).__name__}).")
            raise typer.Exit(CANNOT) from None
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    own = {name: os.environ[KEY_PREFIX + name] for name in names if os.environ.get(KEY_PREFIX + name)}
    return {name.upper(): value for name, value in values.items()} | own


def _old_bucket(values: Mapping[str, str], layout: LayoutName, *, connections: int) -> "OldBucket":
    """The bucket; a sentence and exit code 2 where something about it is not said. Call inside `open_hub`."""
    from apps.dialects.memory_proxy.bucket import DEFAULT_REGION, BucketAddress, OldBucket
    from apps.dialects.memory_proxy.layouts import DEFAULT_PREFIXES, Layout

    for name, option in (
        ("S3_BUCKET", "--bucket"),
        ("AWS_ACCESS_KEY_ID", f"{KEY_PREFIX}AWS_ACCESS_KEY_ID in the environment"),
        ("AWS_SECRET_ACCESS_KEY", f"{KEY_PREFIX}AWS_SECRET_ACCESS_KEY in the environment"),
    ):
        if not values.get(name):
            complain(f"The old service's {name} is not known: give --settings with it, or {option}.")
            raise typer.Exit(CANNOT)
    address = BucketAddress(
        values["S3_BUCKET"],
        values.get("S3_PREFIX", DEFAULT_PREFIXES[Layout(layout)]),
        values["AWS_ACCESS_KEY_ID"],
        values["AWS_SECRET_ACCESS_KEY"],
        values.get("AWS_SESSION_TOKEN") or None,
        values.get("AWS_REGION") or DEFAULT_REGION,
        values.get("S3_ENDPOINT_URL") or None,
    )
    return OldBucket(address, connections=connections)


@contextmanager
def _complaints() -> Iterator[None]:
    """Turns what stops an import into a sentence and an exit code."""
    from apps.dialects.memory_proxy.bucket import BucketError

    try:
        yield
    except BucketError as error:
        complain(str(error))
        raise typer.Exit(CANNOT) from None
    except KeyboardInterrupt:
        complain("Stopped. What was imported stays; run it again to go on.")
        raise typer.Exit(INTERRUPTED) from None


commands.command("memories-backups")(import_memories.memories_backups)
