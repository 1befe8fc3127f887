"""Tokens: issued and shown once, listed with what has become of them, revoked."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.accounts.actions import revoke_token
from apps.accounts.models import ApiToken, TokenKind
from apps.accounts.scopes import ADMIN_SCOPES, EDITOR_SCOPES, VIEWER_SCOPES, WORKSPACE_ADMIN
from apps.common.errors import DomainError
from apps.workspaces import actions, showing
from apps.workspaces.admin.forms import IssueForm
from apps.workspaces.admin.token_states import shown_id, state_of
from apps.workspaces.console import (
    Evidence,
    Question,
    actor_of,
    is_confirmed,
    may,
    refusal_text,
    roles_with,
    workspaces_of,
)
from apps.workspaces.listing import WorkspaceFilter
from apps.workspaces.models import TokenGrant, Workspace

SCOPE_SETS = {"a viewer": VIEWER_SCOPES, "an editor": EDITOR_SCOPES, "an admin": ADMIN_SCOPES}


@dataclass(frozen=True, slots=True)
class Snippet:
    """Lines that make a client use the new token."""

    title: str
    icon: str
    help_text: str
    text: str

    @property
    def rows(self) -> int:
        return self.text.count("\n") + 1


class TokenWorkspaceFilter(WorkspaceFilter):
    """By grants that the signed-in user sees: a token may serve other workspaces too."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        if not self.value():
            return None
        grants = visible_grants(request).filter(workspace__slug=self.value())
        return queryset.filter(pk__in=grants.values("token_id"))


class TokenStateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", "Active"), ("expired", "Expired"), ("revoked", "Revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        now = timezone.now()
        match self.value():
            case "active":
                return queryset.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)
            case "expired":
                return queryset.filter(expires_at__lte=now, revoked_at=None)
            case "revoked":
                return queryset.filter(revoked_at__isnull=False)
        return None


class ApiTokenAdmin(Evidence):
    """A token's row is for those who administer a workspace that it enters, and shows them those workspaces only."""

    read_scope = work_scope = WORKSPACE_ADMIN
    list_display = ["shown_name", "shown_state", "entrances", "shown_user", "shown_scopes", "last_used", "ends"]
    list_filter = [TokenStateFilter, TokenWorkspaceFilter, "kind"]
    list_select_related = ["user"]
    search_fields = ["public_id", "name", "user__username"]
    search_help_text = "A part of the name, the user, or the 12 characters after mh_"
    ordering = ["-id"]
    actions = ["revoke"]
    empty_icon = "key"
    empty_text = "Issue a token for each client, so that each can be revoked alone."
    add_text = "Issue a token"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.revoke_one)
        return [path("<path:object_id>/revoke/", view, name="accounts_apitoken_revoke"), *super().get_urls()]

    def where(self, request: HttpRequest, rows: QuerySet[Any], scope: str) -> QuerySet[Any]:
        if request.user.is_superuser:
            return rows
        return rows.filter(pk__in=visible_grants(request, scope).values("token_id"))

    def may_work(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who sees a token may revoke it, as `where` has seen to."""
        return may(request, self.work_scope)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_work(request)

    def complete(self, request: HttpRequest, rows: list[ApiToken]) -> None:
        grants = visible_grants(request).filter(token__in=[row.pk for row in rows]).order_by("workspace__slug")
        slugs: dict[int, list[str]] = {}
        for token_id, slug in grants.values_list("token_id", "workspace__slug"):
            slugs.setdefault(token_id, []).append(slug)
        for row in rows:
            row.shown_slugs = slugs.get(row.pk, [])  # type: ignore[attr-defined]

    @display(description="token", ordering="name")
    def shown_name(self, token: ApiToken) -> SafeString:
        return showing.two_lines(token.name or "without a name", shown_id(token))

    @display(description="state")
    def shown_state(self, token: ApiToken) -> SafeString:
        state = state_of(token, timezone.now())
        return showing.label(state.text, state.kind)

    @display(description="workspaces")
    def entrances(self, token: ApiToken) -> str:
        return showing.first_few(getattr(token, "shown_slugs", [])) or "none"

    @display(description="acts as", ordering="user__username")
    def shown_user(self, token: ApiToken) -> str:
        return acts_as(token)

    @display(description="may do")
    def shown_scopes(self, token: ApiToken) -> str:
        return scopes_text(token.scopes)

    @display(description="last used", ordering="last_used_at")
    def last_used(self, token: ApiToken) -> SafeString:
        return showing.ago(token.last_used_at)

    @display(description="ends", ordering="expires_at")
    def ends(self, token: ApiToken) -> SafeString:
        return showing.ago(state_of(token, timezone.now()).ends_at)

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        if object_id is None:
            return self.issue(request)
        token = self.get_object(request, unquote(object_id))
        if token is None or request.method != "GET":
            return super().changeform_view(request, object_id, *args, **kwargs)
        grants = visible_grants(request).filter(token=token).select_related("workspace")
        return self.console_page(
            request,
            "accounts/token.html",
            title=token.name or shown_id(token),
            token=token,
            shown_id=shown_id(token),
            state=state_of(token, timezone.now()),
            acts_as=acts_as(token),
            grants=grants.order_by("workspace__slug"),
        )

    def issue(self, request: HttpRequest) -> HttpResponse:
        """The form, and once it is right the token: this answer is the only place where its text ever stands."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = IssueForm(request, request.POST or None, initial={"workspace": request.GET.get("workspace", "")})
        if form.is_valid():
            try:
                token, text = self._issued(request, form)
            except DomainError as error:
                form.add_error(None, refusal_text(error))
            else:
                return self._shown_once(request, form.cleaned_data["workspace"], token, text)
        return self.console_page(request, "accounts/issue.html", title="Issue a token", form=form)

    def _issued(self, request: HttpRequest, form: IssueForm) -> tuple[ApiToken, str]:
        given = form.cleaned_data
        member: Any = given["user"] if request.user.is_superuser else request.user
        return actions.issue_workspace_token(
            given["workspace"],
            name=given["name"],
            scopes=form.wanted_scopes,
            expires_days=form.expires_days,
            user=member,
            kind=given["kind"],
            actor=actor_of(request),
        )

    def _shown_once(self, request: HttpRequest, workspace: Workspace, token: ApiToken, text: str) -> HttpResponse:
        answer = self.console_page(
            request,
            "accounts/issued.html",
            title="The new token",
            token=token,
            text=text,
            workspace=workspace,
            snippets=snippets(hub_address(request), workspace.slug, text) if token.kind == TokenKind.API else [],
        )
        # Not even the browser keeps it: going back or forth does not show it again.
        answer["Cache-Control"] = "no-store"
        answer["Referrer-Policy"] = "no-referrer"
        return answer

    @admin.action(description="Revoke", permissions=["work"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> HttpResponse | None:
        """End tokens: superusers everywhere, administrators of workspaces there."""
        rows = list(tokens)
        if not is_confirmed(request):
            return self.ask(request, revoke_question(request, rows, back=self.list_address()))
        ended = sum(revoked(request, token) for token in rows)
        self.message_user(request, f"{ended} revoked.", messages.SUCCESS)
        return None

    def revoke_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        token = self.workable_row(request, object_id)
        question = revoke_question(request, [token], back=self.row_address(token))
        answer = self.step(request, question, lambda: _say_revoked(request, token))
        if not self.get_queryset(request).filter(pk=token.pk).exists():
            # Only the grant went, since the token serves other workspaces: its row is not this user's any more.
            return HttpResponseRedirect(self.list_address())
        return answer


def revoked(request: HttpRequest, token: ApiToken) -> bool:
    """End the token as far as the signed-in user may; False where it had ended before."""
    if request.user.is_superuser:
        with transaction.atomic():
            return revoke_token(token, actor=actor_of(request))
    grants = list(visible_grants(request).filter(token=token).select_related("workspace"))
    for grant in grants:
        actions.revoke_workspace_token(grant.workspace, token.public_id, actor=actor_of(request))
    return bool(grants) and token.revoked_at is None


def _say_revoked(request: HttpRequest, token: ApiToken) -> str:
    if revoked(request, token):
        return "The token is revoked. It stops working within seconds."
    return "The token had been revoked before."


def revoke_question(request: HttpRequest, tokens: Sequence[ApiToken], *, back: str) -> Question:
    one = len(tokens) == 1
    reach = "everywhere" if request.user.is_superuser else "in the workspaces that you administer"
    return Question(
        title="Revoke this token" if one else f"Revoke {len(tokens)} tokens",
        text=f"Clients that use {'it' if one else 'them'} are refused {reach}, within seconds. "
        "This cannot be taken back: they need new tokens then.",
        button="Revoke the token" if one else "Revoke the tokens",
        back=back,
        icon="key_off",
        rows=[f"{token.name or 'without a name'} ({shown_id(token)})" for token in tokens],
        fields=[("action", "revoke"), ("index", 0), *(("_selected_action", token.pk) for token in tokens)],
    )


def visible_grants(request: HttpRequest, scope: str = WORKSPACE_ADMIN) -> QuerySet[TokenGrant]:
    """The grants for workspaces in which the signed-in user has `scope`; all of them for superusers."""
    if request.user.is_superuser:
        return TokenGrant.objects.all()
    return TokenGrant.objects.filter(workspace_id__in=workspaces_of(request, *roles_with(scope)))


def acts_as(token: ApiToken) -> str:
    """Whom the token counts as."""
    if token.user is not None:
        return token.user.username
    return "the operator" if token.is_operator_issued else "itself, an admin at most"


def scopes_text(scopes: Sequence[str]) -> str:
    """The role that has just these scopes, or the scopes."""
    for role, whole in SCOPE_SETS.items():
        if frozenset(scopes) == whole:
            return f"what {role} may"
    return showing.first_few(scopes)


def hub_address(request: HttpRequest) -> str:
    """Where clients find the hub: as it calls itself, or as it was called just now."""
    address: str = settings.MEMORYHUB_PUBLIC_URL or request.build_absolute_uri("/")
    return address.rstrip("/")


def snippets(hub: str, slug: str, token: str) -> list[Snippet]:
    """Settings for each kind of client, ready to paste."""
    proxy = f"{hub}/w/{slug}/memory-proxy"
    silica = json.dumps({"remote_url": proxy, "auth_token": token}, indent=2)
    return [
        Snippet(
            "memoryhub sync",
            "sync",
            "In the shell of the machine whose folder is kept in step.",
            f"export MEMORYHUB_URL={hub}\nexport MEMORYHUB_WORKSPACE={slug}\nexport MEMORYHUB_TOKEN={token}\n"
            "memoryhub sync ~/memory",
        ),
        Snippet(
            "curl",
            "terminal",
            "A first call: it lists every file.",
            f"curl -H 'Authorization: Bearer {token}' \\\n  {hub}/api/v1/workspaces/{slug}/index",
        ),
        Snippet(
            "Silica, by environment",
            "memory",
            "For the memory-proxy client of Silica.",
            f"export MEMORY_PROXY_URL={proxy}\nexport MEMORY_PROXY_TOKEN={token}",
        ),
        Snippet("Silica, by file", "description", "The same in ~/.silica/memory_proxy.json.", silica),
    ]
