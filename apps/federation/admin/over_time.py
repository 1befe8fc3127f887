"""The greatest topics of a workspace over the last days, as a chart and as figures."""

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from apps.federation import history
from apps.federation.admin import charts
from apps.federation.admin.pages import TOPICS, Pages
from apps.workspaces.pages import address, choice_of_workspace, given, workspace_for

DAYS, USUAL_DAYS = (7, 30, 90), 30
MOST_TOPICS = 8


def show(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """The totals at the end of each of `?days=` days; without a workspace, the choice of one."""
    if "workspace" not in request.GET:
        return choice_of_workspace(pages, request, page=TOPICS, title="Topics over time")
    workspace = workspace_for(request, pages.read_scope)
    days = next((each for each in DAYS if str(each) == given(request, "days")), USUAL_DAYS)
    beginnings, series = history.topics_over_time(workspace.pk, days=days, topics=MOST_TOPICS, now=timezone.now())
    figures = [list(row) for row in zip(*(each.totals for each in series), strict=True)]
    return pages.of_workspace(
        request,
        "over_time.html",
        workspace,
        tab=TOPICS,
        title=workspace.slug,
        subtitle="Topics over time",
        days=days,
        choices=[(each, address(TOPICS, workspace=workspace.slug, days=each)) for each in DAYS],
        chart=charts.chart_of(beginnings, [(each.topic, each.totals) for each in series]) if series else None,
        frame=charts,
        topics=[each.topic for each in series],
        # The latest day first: it is what people look for.
        figures=list(zip(beginnings, figures, strict=True))[::-1] if series else [],
    )
