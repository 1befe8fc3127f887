"""One import from the original's bucket into a workspace, with what it told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.accounts.models import AuditEvent
from apps.dialects.memory_proxy.bucket import BucketAddress, OldBucket
from apps.dialects.memory_proxy.importing import Import
from apps.dialects.memory_proxy.layouts import Layout
from apps.dialects.memory_proxy.outcomes import Row
from apps.files.models import File, FileVersion
from apps.files.queries import change_sets_since, head_at
from apps.workspaces.models import Workspace
from tests.dialects.memory_proxy.original import Original

THREADS = 4


@dataclass(frozen=True)
class Moved:
    """The rows of a run in the order in which they were told."""

    rows: list[Row]
    problems: int

    def told(self) -> dict[str, tuple[str, str]]:
        """Outcome and reason by the key below the prefix; indexes that are in order are left out."""
        return {
            row.key.split("personas/", 1)[-1].removeprefix("memory/"): (str(row.outcome), row.reason)
            for row in self.rows
            if row.reason != "index"
        }


def move(
    original: Original,
    workspace: Workspace,
    *,
    namespaces: Sequence[str] = (),
    dry_run: bool = False,
    meanwhile: Callable[[Row], None] = lambda row: None,
) -> Moved:
    """`meanwhile` is called for each row as soon as it is told."""
    bucket = original.bucket
    address = BucketAddress(
        bucket.name,
        original.prefix,
        bucket.access_key,
        bucket.secret_key,
        region=bucket.region,
        endpoint_url=bucket.endpoint_url,
    )
    rows: list[Row] = []

    def hear(row: Row) -> None:
        rows.append(row)
        meanwhile(row)

    totals = Import(
        workspace,
        OldBucket(address, connections=THREADS),
        Layout.SEED if original.is_seed else Layout.CURRENT,
        namespaces,
        threads=THREADS,
        dry_run=dry_run,
        tell=hear,
    ).run()
    return Moved(rows, totals.problems)


def texts(workspace: Workspace) -> dict[str, bytes | None]:
    """Every path that was ever written, with its bytes; None for a tombstone."""
    found: dict[str, bytes | None] = {}
    for file in File.objects.filter(workspace=workspace).order_by("head"):
        row = head_at(workspace.pk, file.path)
        assert row is not None
        found[file.path] = None if row.is_deleted else bytes(row.inline or b"")
    return found


def versions(workspace: Workspace) -> list[tuple[str, bool, str]]:
    """Every version in order: path, whether it is a tombstone, and its message."""
    return [
        (version.path, version.blob_id is None, change_set.message)
        for change_set in change_sets_since(workspace.pk, 0, limit=1000)
        for version in change_set.versions
    ]


def state_of_hub(workspace: Workspace) -> tuple[Any, ...]:
    """What an import could have changed."""
    return (
        texts(workspace),
        FileVersion.objects.filter(file__workspace=workspace).count(),
        AuditEvent.objects.filter(action="bucket.imported").count(),
    )
