"""What two states of a workspace differ in, by path."""

from dataclasses import dataclass
from functools import partial
from itertools import islice

from django.http import HttpRequest, HttpResponseBase

from apps.files.paths import checked_prefix
from apps.snapshots import queries
from apps.snapshots.admin.pages import SNAPSHOTS, Pages, snapshot_page
from apps.snapshots.models import Snapshot
from apps.snapshots.queries import NOW, Difference
from apps.workspaces.pages import address, given, workspace_for

ROWS = 100
MOST_COUNTED = 2000
"""Differences are counted up to here: nobody needs to know more exactly that they are many."""
MOST_OTHERS = 100
ICONS = {"added": ("add_circle", "success"), "changed": ("edit", "info"), "deleted": ("delete", "danger")}


@dataclass(frozen=True, slots=True)
class Change:
    """A path of the page. `address` leads to both texts beside each other, or to the only one there is."""

    path: str
    kind: str
    colour: str
    icon: str
    before_bytes: int | None
    after_bytes: int | None
    address: str
    has_both: bool


def compare(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """What was added, changed and deleted `?from=` one snapshot `&to=` another one, or to now."""
    workspace = workspace_for(request, pages.read_scope)
    before, after = given(request, "from"), given(request, "to") or NOW
    prefix = checked_prefix(given(request, "prefix").strip("/"))
    behind = given(request, "after")
    limit = ROWS + 1 if behind else MOST_COUNTED + 1
    found = list(
        islice(queries.differences_of(workspace.pk, before, after, prefix=prefix, behind=behind, limit=limit), limit)
    )
    here = partial(address, "snapshots_snapshot_compare", workspace=workspace.slug, to=after, prefix=prefix.rstrip("/"))
    here = partial(here, **{"from": before})
    names = Snapshot.objects.filter(workspace=workspace).order_by("-id")
    return pages.of_workspace(
        request,
        "compare.html",
        workspace,
        tab=SNAPSHOTS,
        title=f"From {before}",
        subtitle=f"What changed to {after}",
        before=before,
        after=after,
        before_page=snapshot_page(workspace, before),
        after_page="" if after == NOW else snapshot_page(workspace, after),
        turned=address(
            "snapshots_snapshot_compare", workspace=workspace.slug, to=before, prefix=prefix, **{"from": after}
        )
        if after != NOW
        else "",
        prefix=prefix.rstrip("/"),
        names=list(names.values_list("name", flat=True)[:MOST_OTHERS]),
        rows=[_change(workspace.slug, each) for each in found[:ROWS]],
        counts=None if behind else _counts(found),
        first_page=here() if behind else "",
        next_page=here(after=found[ROWS - 1].row.path) if len(found) > ROWS else "",
    )


def _counts(found: list[Difference]) -> list[tuple[str, int, str]] | None:
    """How many of each kind; None where they are too many to count."""
    if len(found) > MOST_COUNTED:
        return None
    return [(kind, sum(each.kind == kind for each in found), colour) for kind, (_icon, colour) in ICONS.items()]


def _change(slug: str, difference: Difference) -> Change:
    row = difference.row
    has_both = row.before_sha256 is not None and row.after_sha256 is not None
    if has_both:
        names = {"from": row.before_version, "to": row.after_version}
        target = address("files_file_compare", workspace=slug, path=row.path, **names)
    else:
        version = row.before_version if row.after_sha256 is None else row.after_version
        target = address("files_file_page", workspace=slug, path=row.path, version=version)
    icon, colour = ICONS[difference.kind]
    before = row.before_bytes if row.before_sha256 is not None else None
    after = row.after_bytes if row.after_sha256 is not None else None
    return Change(row.path, difference.kind, colour, icon, before, after, target, has_both)
