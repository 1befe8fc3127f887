"""Lists of the console that may be long: a page of rows and whether there are more, never a count."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from apps.workspaces.models import Workspace

LAST_PAGE = 1000
"""Rows further back are found by a search or a filter: skipping them would read them all."""
MOST_CHOICES = 200


class RowPaginator(InfinitePaginator):
    """Says nothing about how many rows there are."""

    template_name = "admin/paging.html"


class RowList(ChangeList):
    """One page, read with one row more than it shows. `has_more` says whether another page follows."""

    has_more = False

    def get_results(self, request: HttpRequest) -> None:
        if not 1 <= self.page_num <= LAST_PAGE:
            raise IncorrectLookupParameters
        first = (self.page_num - 1) * self.list_per_page
        found = list(self.queryset[first : first + self.list_per_page + 1])
        self.has_more = len(found) > self.list_per_page and self.page_num < LAST_PAGE
        rows = found[: self.list_per_page]
        self.model_admin.complete(request, rows)
        self.result_list: Any = rows
        self.result_count = len(rows)
        # Equal, so that the page's head names neither.
        self.full_result_count = self.result_count
        self.show_full_result_count = False
        self.show_admin_actions = bool(rows)
        self.can_show_all = False
        self.multi_page = self.has_more or self.page_num > 1
        self.paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)


class WorkspaceFilter(admin.SimpleListFilter):
    """Rows of one workspace, by its slug: `?workspace=`. Offers those that the signed-in user sees, up to a bound."""

    title = "workspace"
    parameter_name = "workspace"
    lookup = "workspace__slug"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        live = Workspace.objects.filter(archived_at=None).order_by("slug")
        if not request.user.is_superuser:
            live = live.filter(memberships__user_id=request.user.pk or 0)
        slugs = list(live.values_list("slug", flat=True)[:MOST_CHOICES])
        chosen = self.value()
        if chosen and chosen not in slugs:
            slugs.append(chosen)
        return [(slug, slug) for slug in slugs]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(**{self.lookup: self.value()}) if self.value() else None
