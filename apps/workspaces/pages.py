"""Pages of the console that are written by hand, because their rows are looked at by workspace: `?workspace=`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import reverse

from apps.common.errors import DomainError, NotFound
from apps.workspaces.console import Evidence, refusal_text, roles_with, workspaces_of
from apps.workspaces.models import Workspace

CHOICES = 500

View = Callable[[Any, HttpRequest], HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Tab:
    title: str
    icon: str
    address: str
    is_current: bool


class Pages(Evidence):
    """The pages of a model. `folder` in `templates/admin/` is that of their templates, `home` the name of the page
    that a refusal leads back to.
    """

    folder = ""
    home = ""

    def page(self, view: View) -> Callable[..., HttpResponseBase]:
        """The view for signed-in staff. What is not there, or not for them, is 404; a refusal is a message."""
        return self.admin_site.admin_view(partial(_answered, view, self))

    def rendered(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return self.console_page(request, f"{self.folder}/{template}", **context)

    def pressed(self, request: HttpRequest, back: str, do: Callable[[], str]) -> HttpResponse:
        """Does what a button asks for: `do` returns the sentence that says so. A refusal is a message."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            self.message_user(request, do(), messages.SUCCESS)
        except DomainError as error:
            self.message_user(request, refusal_text(error), messages.ERROR)
        return HttpResponseRedirect(back)


def _answered(view: View, pages: Pages, request: HttpRequest) -> HttpResponseBase:
    try:
        return view(pages, request)
    except NotFound:
        raise Http404 from None
    except DomainError as error:
        pages.message_user(request, refusal_text(error), messages.ERROR)
        return HttpResponseRedirect(address(pages.home, workspace=request.GET.get("workspace", "")))


def workspaces_for(request: HttpRequest, scope: str = "files:read") -> QuerySet[Workspace]:
    """The live workspaces in which the signed-in person has this scope, by slug; all of them for superusers."""
    live = Workspace.objects.filter(archived_at=None).select_related("counter").order_by("slug")
    if request.user.is_superuser:
        return live
    return live.filter(pk__in=workspaces_of(request, *roles_with(scope)))


def workspace_for(request: HttpRequest, scope: str = "files:read") -> Workspace:
    """The workspace that `?workspace=` names. Raises `NotFound`, for strangers too."""
    workspace = workspaces_for(request, scope).filter(slug=given(request, "workspace")).first()
    if workspace is None:
        raise NotFound
    return workspace


def choice_of_workspace(pages: Pages, request: HttpRequest, *, page: str, title: str) -> HttpResponseBase:
    """The page of the only workspace that the person may see, else a list to choose from."""
    workspaces = list(workspaces_for(request, pages.read_scope)[: CHOICES + 1])
    rows = [(each, address(page, workspace=each.slug)) for each in workspaces[:CHOICES]]
    if len(rows) == 1:
        return HttpResponseRedirect(rows[0][1])
    is_cut = len(workspaces) > CHOICES
    return pages.console_page(
        request, "choose.html", title="Choose a workspace", subtitle=title, rows=rows, is_cut=is_cut
    )


def tabs_of(workspace: Workspace, pages: Sequence[tuple[str, str, str]], current: str) -> list[Tab]:
    """The pages, each by its name, title and icon, as tabs of the workspace."""
    return [Tab(title, icon, address(name, workspace=workspace.slug), name == current) for name, title, icon in pages]


def given(request: HttpRequest, name: str) -> str:
    """A parameter of the address, as a database can look for it."""
    return request.GET.get(name, "").replace("\0", "")


def posted(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "").replace("\0", "").strip()


def public_id(text: str) -> UUID:
    """Raises `NotFound` for what is none."""
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound from error


def address(page: str, /, **parameters: object) -> str:
    """A page's address; parameters that are empty are left out."""
    given = {key: value for key, value in parameters.items() if value not in (None, "", 0)}
    query = f"?{urlencode(given)}" if given else ""
    return reverse(f"admin:{page}") + query
