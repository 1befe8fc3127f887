"""What changed between two pulls of the merged view."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponseBase

from apps.federation import queries
from apps.federation.admin.pages import PULLS, Pages, agents_about, moment
from apps.federation.history import TopicChange, changes_between
from apps.federation.models import Pull
from apps.workspaces.models import Workspace
from apps.workspaces.pages import choice_of_workspace, given, workspace_for
from apps.workspaces.showing import count

MOST_PULLS = 20
MOST_TOPICS = 200
MOST_LABELS = 100


@dataclass(frozen=True, slots=True)
class PullRow:
    """`value` names its moment in an address."""

    pull: Pull
    value: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    change: TopicChange
    difference: str
    address: str


@dataclass(frozen=True, slots=True)
class LabelList:
    """Labels that came, or that went: the first ones, and how many there are beside them."""

    title: str
    icon: str
    labels: Sequence[str]
    total: int

    @property
    def rest(self) -> int:
        return self.total - len(self.labels)


def compare(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """The latest pulls, and what differs between two of them: the last two, or those `?from=` and `&to=` moments."""
    if "workspace" not in request.GET:
        return choice_of_workspace(pages, request, page=PULLS, title="Between pulls")
    workspace = workspace_for(request, pages.read_scope)
    rows = [PullRow(each, each.pulled_at.isoformat()) for each in queries.pulls_of(workspace.pk)[:MOST_PULLS]]
    chosen = _chosen(request, rows)
    return pages.of_workspace(
        request,
        "pulls.html",
        workspace,
        tab=PULLS,
        title=workspace.slug,
        subtitle="Between pulls",
        rows=rows,
        most_pulls=MOST_PULLS,
        since=chosen[0].isoformat() if chosen else "",
        until=chosen[1].isoformat() if chosen else "",
        **(_changes(workspace, *chosen) if chosen else {}),
    )


def _chosen(request: HttpRequest, rows: Sequence[PullRow]) -> list[datetime]:
    """The two moments, the earlier one first; none where there are no two."""
    if "from" in request.GET or "to" in request.GET:
        return sorted([moment(given(request, "from")), moment(given(request, "to"))])
    return [row.pull.pulled_at for row in rows[1::-1]] if len(rows) > 1 else []


def _changes(workspace: Workspace, since: datetime, until: datetime) -> dict[str, object]:
    found = changes_between(workspace.pk, since, until)
    topics = sorted(found.topics, key=lambda each: (-abs(each.now[0] - each.was[0]), each.topic))
    return {
        "topics": [_row(workspace, each) for each in topics[:MOST_TOPICS]],
        "more_topics": len(topics) - MOST_TOPICS,
        "labels": [
            LabelList("Labels that came", "new_label", found.labels_came[:MOST_LABELS], found.labels_came_count),
            LabelList("Labels that went", "label_off", found.labels_went[:MOST_LABELS], found.labels_went_count),
        ],
    }


def _row(workspace: Workspace, change: TopicChange) -> ChangeRow:
    difference = change.now[0] - change.was[0]
    return ChangeRow(
        change, f"{'+' if difference > 0 else ''}{count(difference)}", agents_about(workspace, change.topic)
    )
