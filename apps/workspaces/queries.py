"""Reads of workspaces."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db.models import Count, QuerySet, Sum

from apps.accounts.models import ApiToken, User
from apps.accounts.scopes import ADMIN_SCOPES, EDITOR_SCOPES, ROLE_SCOPES
from apps.common.errors import BadCursor, Invalid
from apps.common.paging import decode_cursor, encode_cursor, limit_of
from apps.workspaces.access import Caller
from apps.workspaces.models import (
    ExternalIdentity,
    IdentityProvider,
    Membership,
    TokenGrant,
    Workspace,
    WorkspaceCounter,
)


@dataclass(frozen=True, slots=True)
class Reach:
    """A workspace that a caller may enter, and with which scopes. `role` is that of the token's user."""

    slug: str
    name: str
    role: str | None
    scopes: frozenset[str]


def reach_of(caller: Caller) -> list[Reach]:
    """The live workspaces that the caller may enter, by slug. One or two queries."""
    if caller.kind == "api_key":
        rows = live_workspaces().filter(slug=settings.API_KEY_WORKSPACE)
        return [Reach(row.slug, row.name, None, EDITOR_SCOPES) for row in rows]
    if caller.kind == "heare":
        return _reach_of_identity(caller.subject)
    grants = (
        TokenGrant.objects.filter(token_id=caller.actor.token_pk, workspace__archived_at=None)
        .select_related("workspace")
        .order_by("workspace__slug")
    )
    if caller.actor.user_pk is None:
        return [Reach(each.workspace.slug, each.workspace.name, None, caller.scopes) for each in grants]
    roles = dict(Membership.objects.filter(user_id=caller.actor.user_pk).values_list("workspace_id", "role"))
    return [
        Reach(
            each.workspace.slug,
            each.workspace.name,
            roles[each.workspace_id],
            caller.scopes & ROLE_SCOPES[roles[each.workspace_id]],
        )
        for each in grants
        if each.workspace_id in roles
    ]


def _reach_of_identity(subject: str) -> list[Reach]:
    rows = (
        ExternalIdentity.objects.filter(provider=IdentityProvider.HEARE, subject=subject, workspace__archived_at=None)
        .select_related("workspace")
        .order_by("workspace__slug")
    )
    return [Reach(row.workspace.slug, row.workspace.name, None, frozenset(row.scopes) & ADMIN_SCOPES) for row in rows]


def reach_page(caller: Caller, query: Mapping[str, str]) -> tuple[list[Reach], str | None]:
    """One page of `reach_of` and the next cursor. A token reaches few workspaces, so the page is cut in memory."""
    limit = limit_of(query.get("limit"))
    after = ""
    if cursor := query.get("cursor"):
        match decode_cursor(cursor):
            case ["slug", str(after)]:
                pass
            case _:
                raise BadCursor("the cursor belongs to another list")
    rows = [each for each in reach_of(caller) if each.slug > after]
    return rows[:limit], encode_cursor("slug", rows[limit - 1].slug) if len(rows) > limit else None


def token_of(caller: Caller) -> ApiToken | None:
    """The row of the token that the caller used, with its user; None for other ways in."""
    if caller.actor.token_pk is None:
        return None
    return ApiToken.objects.select_related("user").get(pk=caller.actor.token_pk)


def user_named(username: str) -> User:
    """Raises Invalid when there is no such active user."""
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise Invalid.of("username", "unknown_user", "There is no such user.")
    return user


def workspace_with_usage(workspace_id: int) -> Workspace:
    """The row with its counter."""
    return Workspace.objects.select_related("counter").get(pk=workspace_id)


@dataclass(frozen=True, slots=True)
class Usage:
    """How many workspaces are not archived, and the sums over them."""

    workspaces: int
    live_files: int
    live_bytes: int
    stored_bytes: int


def usage_of_all() -> Usage:
    """One query, over the sums that the write path keeps."""
    sums = WorkspaceCounter.objects.filter(workspace__archived_at=None).aggregate(
        workspaces=Count("pk"),
        live_files=Sum("live_files"),
        live_bytes=Sum("live_bytes"),
        stored_bytes=Sum("stored_bytes"),
    )
    return Usage(**{name: value or 0 for name, value in sums.items()})


def live_workspaces() -> QuerySet[Workspace]:
    """All that are not archived, by slug."""
    return Workspace.objects.filter(archived_at=None).order_by("slug")


def workspace_by_slug(slug: str) -> Workspace:
    """For the operator's own commands. Raises Workspace.DoesNotExist for one that is missing or archived."""
    return live_workspaces().get(slug=slug)


def tokens_of(workspace_id: int) -> QuerySet[ApiToken]:
    """The tokens with a grant for the workspace, ended ones too, newest first."""
    return ApiToken.objects.filter(grants__workspace_id=workspace_id).select_related("user").order_by("-id")


def members_of(workspace_id: int) -> QuerySet[Membership]:
    """The members with their users."""
    return Membership.objects.filter(workspace_id=workspace_id).select_related("user")


def identities_of(workspace_id: int) -> QuerySet[ExternalIdentity]:
    """The outside identities that are let in."""
    return ExternalIdentity.objects.filter(workspace_id=workspace_id)


def public_id_of(workspace_id: int) -> UUID:
    """The id that object keys carry."""
    return Workspace.objects.values_list("public_id", flat=True).get(pk=workspace_id)
