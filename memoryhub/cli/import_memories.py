"""`memoryhub import memories-backups`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memoryhub.cli.hub import CANNOT, REFUSED, DataOption, complain, named_workspace, open_hub
from memoryhub.cli.import_telling import INTERRUPTED, Words, reporting, teller_for

if TYPE_CHECKING:
    from apps.dialects.cloud_sync.importing import Import

BACKUPS = Words("backup", "backups", "Every backup is here.")
LONGEST_FOLDER = 200


def memories_backups(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="The folder that the backups lie in, or s3://bucket/prefix.")
    ],
    slug: Annotated[str, typer.Option("--workspace", metavar="WORKSPACE", help="Where the memories go.")] = "default",
    folder: Annotated[str, typer.Option(help="The folder of the workspace that they go to.")] = "memories",
    endpoint_url: Annotated[str | None, typer.Option(help="Of the bucket; default: CLOUD_SYNC_ENDPOINT.")] = None,
    region: Annotated[str | None, typer.Option(help="Of the bucket; default: CLOUD_SYNC_REGION.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write a JSON line for each backup to this file.", dir_okay=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, as into a pipe.")] = False,
    data: DataOption = None,
) -> None:
    """Bring the backups of a "memories" service into a workspace: each memory a file, each backup a snapshot.

    memoryhub import memories-backups /srv/memories/data/backups --dry-run

    They come in the order of their times, so that the files have the history that the backups tell. Run again, it
    takes what is new. Keys of a bucket come from CLOUD_SYNC_ACCESS_KEY and CLOUD_SYNC_SECRET_KEY, else from AWS_*.

    Exit codes: 0 all is here; 1 something is not, and it says what and why; 2 it could not run, or not to its end.
    """
    teller = teller_for(BACKUPS, as_json=as_json, dry_run=dry_run)
    with open_hub(data, patient=True), reporting(report, teller.hear) as hear, _complaints():
        run = _import(source, slug, folder, endpoint_url, region)
        run.dry_run, run.tell, run.expect = dry_run, hear, teller.expect
        with teller.running():
            totals = run.run()
        teller.finished(totals)
    if totals.problems:
        complain(f"Not everything {'would be' if dry_run else 'is'} here: the lines say why for {totals.problems}.")
        raise typer.Exit(REFUSED)


def _import(source: str, slug: str, folder: str, endpoint_url: str | None, region: str | None) -> "Import":
    """What is to be done. Call inside `open_hub`."""
    from apps.dialects.cloud_sync.importing import Import
    from apps.dialects.cloud_sync.places import opened
    from apps.files.paths import check_portable, checked_prefix

    prefix = checked_prefix(folder.strip("/"))
    if not prefix or len(prefix) > LONGEST_FOLDER:
        complain(f"--folder names a folder of the workspace, with at most {LONGEST_FOLDER} characters.")
        raise typer.Exit(CANNOT)
    check_portable(prefix[:-1])
    return Import(named_workspace(slug), opened(source, endpoint_url=endpoint_url, region=region), prefix)


@contextmanager
def _complaints() -> Iterator[None]:
    """Turns what stops an import into a sentence and an exit code."""
    from apps.dialects.cloud_sync.places import SourceError

    try:
        yield
    except SourceError as error:
        complain(str(error))
        raise typer.Exit(CANNOT) from None
    except KeyboardInterrupt:
        complain("Stopped. What was imported stays; run it again to go on.")
        raise typer.Exit(INTERRUPTED) from None
