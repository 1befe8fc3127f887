"""What the console shows to whom, and what it lets them do: superusers all, other staff what their roles allow.

A role allows in the console what it allows by the API. Steps that cannot be taken back ask first.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import unquote
from django.db.models import Model, QuerySet
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin

from apps.accounts.actors import Actor
from apps.accounts.scopes import ROLE_SCOPES, WORKSPACE_ADMIN
from apps.common.errors import DomainError, Invalid
from apps.workspaces.listing import RowList, RowPaginator
from apps.workspaces.models import Membership, Role
from apps.workspaces.standing import OPERATOR

LastChanges = Callable[[Collection[int]], Mapping[int, datetime]]
"""When the files of each of these workspaces last changed; those that never did are left out."""

_last_changes: list[LastChanges] = []

NO_WORKSPACE = -1
"""The key of no workspace: nobody has a role there."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before a step. `typed` is a word that has to be repeated, `fields` are sent along with the yes."""

    title: str
    text: str
    button: str
    back: str
    icon: str = "help"
    typed: str = ""
    is_danger: bool = True
    rows: Sequence[str] = ()
    fields: Sequence[tuple[str, object]] = ()


class WorkspaceScoped(ModelAdmin):
    """Rows of workspaces: people see those where their role has `read_scope`, and work where it has `work_scope`.

    `workspace_lookup` leads from the row to the workspace's key. Superusers see and do all that the subclass has.
    """

    workspace_lookup = "workspace_id"
    read_scope = "files:read"
    work_scope = WORKSPACE_ADMIN
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    paginator = RowPaginator
    list_per_page = 50
    list_disable_select_all = True
    compressed_fields = True
    empty_icon = "inbox"
    empty_text = "Nothing is here yet."
    add_text = "Add"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RowList]:
        return RowList

    def complete(self, request: HttpRequest, rows: list[Any]) -> None:
        """Look up what the rows of a page show beside their own columns, in as many queries for one as for fifty."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return self.where(request, super().get_queryset(request), self.read_scope)

    def where(self, request: HttpRequest, rows: QuerySet[Any], scope: str) -> QuerySet[Any]:
        """Those of the rows in whose workspace the signed-in user has `scope`."""
        if request.user.is_superuser:
            return rows
        return rows.filter(**{f"{self.workspace_lookup}__in": workspaces_of(request, *roles_with(scope))})

    def workable(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the rows on which the signed-in user may press the buttons."""
        return self.where(request, rows, self.work_scope)

    def may_work(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether the buttons are for the signed-in user: those of this row, or of any."""
        return may(request, self.work_scope, self.workspace_of(obj) if obj is not None else None)

    def workspace_of(self, obj: Any) -> int:
        """The key of the row's workspace; NO_WORKSPACE for a row of the hub itself, which is the superusers'."""
        for part in self.workspace_lookup.split("__"):
            obj = getattr(obj, part)
        return NO_WORKSPACE if obj is None else int(obj)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what the filters offer: by any other lookup a column that is not shown could be guessed."""
        columns = [each for each in self.list_filter if isinstance(each, str)]
        own = {each.parameter_name for each in self.list_filter if not isinstance(each, str)}
        return lookup in own | {f"{column}{ending}" for column in columns for ending in ("", "__exact", "__isnull")}

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_staff) and may(request, self.read_scope)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def has_work_permission(self, request: HttpRequest) -> bool:
        """Who sees the buttons of a list at all."""
        return self.may_work(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without the deletion of many rows at once: each is refused or done by its own action."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """An action's refusal is a message on the form, with nothing saved."""
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except DomainError as error:
            self.message_user(request, refusal_text(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return response

    def render_change_form(self, request: HttpRequest, context: Any, **kwargs: Any) -> HttpResponse:
        """One way to save, and the row's own name above it."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False, "subtitle": None}
        obj = kwargs.get("obj")
        context["title"] = self.add_text if obj is None else self.title_of(obj)
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response

    def title_of(self, obj: Any) -> str:
        """What the page of a row is called."""
        return str(obj)

    def row(self, request: HttpRequest, object_id: str) -> Any:
        """The row of an address, if the signed-in user may see it. Raises Http404."""
        found = self.get_object(request, unquote(object_id))
        if found is None:
            raise Http404
        return found

    def workable_row(self, request: HttpRequest, object_id: str) -> Any:
        """The row of an address, if its buttons are for the signed-in user. Raises Http404."""
        found = self.row(request, object_id)
        if not self.may_work(request, found):
            raise Http404
        return found

    def list_address(self, **parameters: object) -> str:
        return address_of(f"{self.opts.app_label}_{self.opts.model_name}_changelist", **parameters)

    def row_address(self, obj: Model) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[obj.pk])

    def console_page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        """A page of the console from `templates/admin/`."""
        everywhere = self.admin_site.each_context(request)
        return TemplateResponse(request, f"admin/{template}", everywhere | {"opts": self.opts} | context)

    def ask(self, request: HttpRequest, question: Question, *, error: str = "") -> TemplateResponse:
        """The page that asks; its yes comes back as a POST with `confirmed` to the same address."""
        return self.console_page(request, "confirm.html", title=question.title, question=question, error=error)

    def step(self, request: HttpRequest, question: Question, do: Callable[[], str]) -> HttpResponse:
        """Ask, and at a yes do it: `do` returns the sentence that says so. A refusal is a message."""
        if not is_confirmed(request):
            return self.ask(request, question)
        if question.typed and request.POST.get("typed", "").strip() != question.typed:
            return self.ask(request, question, error=f"Type {question.typed} to go on.")
        try:
            self.message_user(request, do(), messages.SUCCESS)
        except DomainError as error:
            self.message_user(request, refusal_text(error), messages.ERROR)
        return HttpResponseRedirect(question.back)


class Evidence(WorkspaceScoped):
    """Rows that only the hub writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def roles_with(scope: str) -> list[str]:
    """The roles that give this scope."""
    return [role for role, scopes in ROLE_SCOPES.items() if scope in scopes]


def workspaces_of(request: HttpRequest, *roles: str) -> QuerySet[Any]:
    """Keys of the live workspaces in which the signed-in user has one of `roles`; any role when none is named."""
    members = Membership.objects.filter(
        user_id=request.user.pk or 0, role__in=roles or Role.values, workspace__archived_at=None
    )
    return members.values("workspace_id")


def roles_of(request: HttpRequest) -> dict[int, str]:
    """The signed-in user's roles by the keys of live workspaces. One query a request."""
    found: dict[int, str] | None = getattr(request, "console_roles", None)
    if found is None:
        members = Membership.objects.filter(user_id=request.user.pk or 0, workspace__archived_at=None)
        found = dict(members.values_list("workspace_id", "role"))
        request.console_roles = found  # type: ignore[attr-defined]
    return found


def may(request: HttpRequest, scope: str, workspace_id: int | None = None) -> bool:
    """Whether the signed-in user has `scope` in that workspace; without one, in any."""
    if request.user.is_superuser:
        return True
    roles = roles_of(request)
    held = roles.values() if workspace_id is None else [roles.get(workspace_id, "")]
    return any(scope in ROLE_SCOPES.get(role, ()) for role in held)


def acting_role(request: HttpRequest, workspace_id: int) -> str:
    """As who the signed-in user acts there, for the actions; empty for a stranger."""
    return OPERATOR if request.user.is_superuser else roles_of(request).get(workspace_id, "")


def held_scopes(request: HttpRequest, workspace_id: int) -> frozenset[str] | None:
    """What the signed-in user can hand on there, for the actions. None for superusers, who have all."""
    if request.user.is_superuser:
        return None
    return ROLE_SCOPES.get(acting_role(request, workspace_id), frozenset())


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in user, as the audit trail names people."""
    return Actor(f"user:{request.user.get_username()}", user_pk=request.user.pk)


def is_confirmed(request: HttpRequest) -> bool:
    """Whether the answer to a question came with this request."""
    return request.method == "POST" and request.POST.get("confirmed") == "yes"


def add_refusal(form: BaseForm, refusal: DomainError) -> None:
    """Lets a form say why what it asked for was refused, each field its own."""
    if not isinstance(refusal, Invalid):
        form.add_error(None, refusal_text(refusal))
        return
    for entry in refusal.fields["errors"]:
        form.add_error(entry["field"] if entry["field"] in form.fields else None, entry["detail"])


def refusal_text(error: DomainError) -> str:
    """The sentences of a refusal."""
    details = [entry["detail"] for entry in error.fields.get("errors", [])]
    return " ".join(details) or error.detail or error.title


def address_of(name: str, **parameters: object) -> str:
    """The address of a page of the console, with these parameters."""
    return reverse(f"admin:{name}") + (f"?{urlencode(parameters)}" if parameters else "")


def tell_last_changes(source: LastChanges) -> None:
    """Say where the console learns when files last changed. Files are above workspaces, so they are not asked here."""
    _last_changes[:] = [source]


def last_changes(workspace_ids: Collection[int]) -> Mapping[int, datetime]:
    """When the files of these workspaces last changed. One query."""
    return _last_changes[0](workspace_ids) if _last_changes and workspace_ids else {}
