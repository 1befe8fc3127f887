"""Writes of workspaces: making, archiving and setting them up, and who may enter. Each leaves a line of audit.

Changes of rights reach this process at once and others within MEMORYHUB_TOKEN_CACHE_S. Nobody hands out more than
they have: who asks with a token passes its `acting_role` and scopes; the operator, who has all, passes neither.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.actions import check_scopes, mint_token, record_audit, revoke_token
from apps.accounts.actors import Actor
from apps.accounts.models import ApiToken, TokenKind, User
from apps.accounts.scopes import ADMIN_SCOPES, EDITOR_SCOPES, OPERATOR_READ, PATH_SCOPES, ROLE_SCOPES, WORKSPACE_ADMIN
from apps.common.errors import AlreadyExists, Invalid, NotFound, ScopeMissing, Unauthorized
from apps.common.times import rfc3339_or_none
from apps.workspaces.access import SLUG, OpenWorkspace, forget_cached
from apps.workspaces.models import (
    ExternalIdentity,
    IdentityProvider,
    Membership,
    Role,
    TokenGrant,
    Workspace,
    WorkspaceCounter,
)
from apps.workspaces.options import check_options, is_folder
from apps.workspaces.standing import OPERATOR, require_owner

DEFAULT_EXPIRES_DAYS = 90
MOST_EXPIRES_DAYS = 3650
LONGEST_NAME = 200


class AnyWorkspace(Protocol):
    """A `Workspace` row or an `access.OpenWorkspace`."""

    @property
    def id(self) -> int: ...
    @property
    def slug(self) -> str: ...


def create_workspace(slug: str, *, name: str = "", actor: Actor, owner: User | None = None) -> Workspace:
    """A new, empty workspace. Invalid for a slug of the wrong form, AlreadyExists for one that is or was in use."""
    check_slug(slug)
    check_options({"name": name})
    # Asked first, because a refused INSERT uses up one of the 2^23 keys.
    if Workspace.objects.filter(slug=slug).exists():
        raise AlreadyExists("This slug is in use, or was.")
    with transaction.atomic():
        workspace = _inserted(slug, name)
        WorkspaceCounter.objects.create(workspace=workspace)
        record_audit("workspace.created", actor=actor, workspace_id=workspace.pk, subject=slug)
        if owner is not None:
            set_member(workspace, owner, Role.OWNER, actor=actor)
    return workspace


def check_slug(slug: str) -> None:
    """Raises `Invalid` for what no workspace can be called."""
    if SLUG.fullmatch(slug) is None:
        raise Invalid.of("slug", "bad_slug", "A slug is 1 to 63 of a-z, 0-9 and '-', and does not begin with '-'.")


def _inserted(slug: str, name: str) -> Workspace:
    try:
        with transaction.atomic():
            return Workspace.objects.create(slug=slug, name=name)
    except IntegrityError as failure:
        if Workspace.objects.filter(slug=slug).exists():
            raise AlreadyExists("This slug is in use, or was.") from failure
        raise


def archive_workspace(workspace: AnyWorkspace, *, actor: Actor, acting_role: str = OPERATOR) -> None:
    """Close the workspace to everybody; housekeeping purges it later. Again is nothing."""
    require_owner(acting_role)
    with transaction.atomic():
        now = timezone.now()
        if Workspace.objects.filter(pk=workspace.id, archived_at=None).update(archived_at=now):
            record_audit("workspace.archived", actor=actor, workspace_id=workspace.id, subject=workspace.slug)
        _forget_after_commit()


def mark_purged(workspace_id: int) -> None:
    """Write down that all an archived workspace held is gone. The row stays: its slug is never given out again."""
    with transaction.atomic():
        row = Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
        WorkspaceCounter.objects.filter(pk=workspace_id).update(live_files=0, live_bytes=0, stored_bytes=0)
        row.purged_at = timezone.now()
        row.save(update_fields=["purged_at"])
        record_audit("workspace.purged", actor=Actor.system(), workspace_id=row.pk, subject=row.slug)


def update_workspace_settings(workspace: AnyWorkspace, changes: dict[str, Any], *, actor: Actor) -> Workspace:
    """Set the named options (see `options.OPTIONS`) and return the row. Invalid for one that is unknown or wrong.

    The audit line holds the old and the new value of each option that changed.
    """
    check_options(changes)
    with transaction.atomic():
        # The counter before the workspace: the order in which retention, purges and epochs lock them.
        WorkspaceCounter.objects.select_for_update(no_key=True).get(pk=workspace.id)
        row = Workspace.objects.select_for_update(no_key=True).get(pk=workspace.id)
        changed = {name: value for name, value in changes.items() if getattr(row, name) != value}
        if changed.get("portable_names"):
            _require_never_written(row)
        details = {name: {"from": getattr(row, name), "to": value} for name, value in changed.items()}
        for name, value in changed.items():
            setattr(row, name, value)
        if changed:
            row.save(update_fields=list(changed))
            record_audit("workspace.updated", actor=actor, workspace_id=row.pk, subject=row.slug, details=details)
        _forget_after_commit()
    return row


def _require_never_written(workspace: Workspace) -> None:
    """Paths that were written without the option carry no key for it, so it can only be chosen beforehand."""
    counter = WorkspaceCounter.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    if counter.last_sequence:
        raise Invalid.of("portable_names", "not_empty", "Switch this on before the first file is written.")


def set_member(
    workspace: AnyWorkspace,
    user: User,
    role: str,
    *,
    actor: Actor,
    acting_role: str = OPERATOR,
    issuer_scopes: Collection[str] | None = None,
) -> Membership:
    """Give `user` that role. Invalid for an unknown role or when the last owner would go.

    Only owners make or change owners. `issuer_scopes` are those of the token that asks: a role that adds anything
    beyond them is refused (ScopeMissing).
    """
    if role not in Role.values:
        raise Invalid.of("role", "unknown_role", f"Roles are: {' '.join(Role.values)}")
    with transaction.atomic():
        before = _locked_memberships(workspace).get(user.pk)
        if before is not None and before.role == role:
            return before
        if role == Role.OWNER or (before is not None and before.role == Role.OWNER):
            require_owner(acting_role)
        _require_held(ROLE_SCOPES[role] - (ROLE_SCOPES[before.role] if before else frozenset()), issuer_scopes)
        if before is not None and role != Role.OWNER:
            _require_another_owner(workspace, before)
        member, _ = Membership.objects.update_or_create(workspace_id=workspace.id, user=user, defaults={"role": role})
        details = {"from": before.role if before else None, "to": str(role)}
        record_audit("member.set", actor=actor, workspace_id=workspace.id, subject=user.username, details=details)
        _forget_after_commit()
    return member


def remove_member(workspace: AnyWorkspace, username: str, *, actor: Actor, acting_role: str = OPERATOR) -> None:
    """Take the user out; the user's tokens stop working here. NotFound for a stranger, Invalid for the last owner."""
    with transaction.atomic():
        members = _locked_memberships(workspace)
        member = next((each for each in members.values() if each.user.username == username), None)
        if member is None:
            raise NotFound("There is no such member.")
        if member.role == Role.OWNER:
            require_owner(acting_role)
            _require_another_owner(workspace, member)
        member.delete()
        details = {"from": member.role}
        record_audit("member.removed", actor=actor, workspace_id=workspace.id, subject=username, details=details)
        _forget_after_commit()


def _locked_memberships(workspace: AnyWorkspace) -> dict[int, Membership]:
    """Members by user key, held so that two owners cannot remove each other at once."""
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace.id)
    rows = Membership.objects.filter(workspace_id=workspace.id).select_related("user")
    return {row.user_id: row for row in rows}


def _require_another_owner(workspace: AnyWorkspace, member: Membership) -> None:
    others = Membership.objects.filter(workspace_id=workspace.id, role=Role.OWNER).exclude(pk=member.pk)
    if member.role == Role.OWNER and not others.exists():
        raise Invalid.of("role", "last_owner", "The last owner stays: make somebody else an owner first.")


def issue_workspace_token(
    workspace: AnyWorkspace,
    *,
    name: str = "",
    scopes: Collection[str] | None = None,
    expires_days: int | None = DEFAULT_EXPIRES_DAYS,
    user: User | None = None,
    kind: str = TokenKind.API,
    actor: Actor,
) -> tuple[ApiToken, str]:
    """The operator's: a token for this workspace and its text, which is shown this once; an editor's without `scopes`.

    A user's token is further bound by the user's role, so the user must be a member. One without a user acts as the
    operator in what its scopes allow. `expires_days=None` never expires.
    """
    wanted = _default_scopes(kind) if scopes is None else scopes
    _check_token_form(name, kind, wanted, expires_days)
    with transaction.atomic():
        if user is not None:
            _require_member(workspace, user)
        return _issued(
            workspace,
            name=name,
            scopes=wanted,
            expires_at=_in_days(expires_days),
            user=user,
            kind=kind,
            is_operator_issued=user is None,
            actor=actor,
        )


def issue_token_as_caller(
    caller: OpenWorkspace,
    *,
    name: str = "",
    scopes: Collection[str] | None = None,
    expires_days: int | None = DEFAULT_EXPIRES_DAYS,
    kind: str = TokenKind.API,
) -> tuple[ApiToken, str]:
    """A token asked for with another: it can do no more, lives no longer, and belongs to the same user.

    Without a user it is an admin's at most, whoever issued the other. `expires_days=None` is as long as the other
    lives. ScopeMissing for who has no token of ours: an outside identity is taken off the list, and its tokens would
    stay.
    """
    wanted = _default_scopes(kind) if scopes is None else scopes
    _check_token_form(name, kind, wanted, expires_days)
    issuer_pk = caller.actor.token_pk
    if issuer_pk is None:
        raise ScopeMissing("Outside identities issue no tokens.", scope=WORKSPACE_ADMIN)
    # What concerns the whole hub is never handed on, not even by who has it.
    _require_held(wanted, caller.scopes & ADMIN_SCOPES)
    with transaction.atomic():
        issuer = _locked_issuer(issuer_pk, caller)
        ends = [moment for moment in (_in_days(expires_days), issuer.expires_at) if moment is not None]
        return _issued(
            caller,
            name=name,
            scopes=wanted,
            expires_at=min(ends, default=None),
            user=issuer.user,
            kind=kind,
            is_operator_issued=False,
            actor=caller.actor,
        )


def _locked_issuer(token_pk: int, workspace: AnyWorkspace) -> ApiToken:
    """The token that asks, held while it issues another. The gate may believe for seconds what was ended meanwhile."""
    rows = ApiToken.objects.select_for_update(of=("self",), no_key=True).select_related("user")
    issuer = rows.filter(pk=token_pk, revoked_at=None, grants__workspace_id=workspace.id).first()
    if issuer is None:
        raise Unauthorized()
    return issuer


def _issued(
    workspace: AnyWorkspace,
    *,
    name: str,
    scopes: Collection[str],
    expires_at: datetime | None,
    user: User | None,
    kind: str,
    is_operator_issued: bool,
    actor: Actor,
) -> tuple[ApiToken, str]:
    token, text = mint_token(
        name=name, scopes=scopes, expires_at=expires_at, user=user, kind=kind, is_operator_issued=is_operator_issued
    )
    TokenGrant.objects.create(workspace_id=workspace.id, token=token)
    details = {
        "name": name,
        "kind": str(kind),
        "scopes": token.scopes,
        "expires_at": rfc3339_or_none(expires_at),
        "user": user.username if user else None,
        "is_operator_issued": is_operator_issued,
    }
    record_audit("token.issued", actor=actor, workspace_id=workspace.id, subject=token.public_id, details=details)
    return token, text


def _default_scopes(kind: str) -> frozenset[str]:
    return PATH_SCOPES if kind == TokenKind.PATH else EDITOR_SCOPES


def _check_token_form(name: str, kind: str, scopes: Collection[str], expires_days: int | None) -> None:
    check_options({"name": name})
    check_scopes(scopes)
    if kind not in TokenKind.values:
        raise Invalid.of("kind", "unknown_kind", f"Kinds are: {' '.join(TokenKind.values)}")
    if kind == TokenKind.PATH and not PATH_SCOPES.issuperset(scopes):
        # It ends up in histories and other people's logs, however careful the hub is.
        raise Invalid.of("scopes", "not_by_path", f"A path token can have: {' '.join(sorted(PATH_SCOPES))}")
    if expires_days is not None and not 1 <= expires_days <= MOST_EXPIRES_DAYS:
        raise Invalid.of("expires_days", "out_of_range", f"Between 1 and {MOST_EXPIRES_DAYS} days.")


def _in_days(days: int | None) -> datetime | None:
    return None if days is None else timezone.now() + timedelta(days=days)


def _require_member(workspace: AnyWorkspace, user: User) -> None:
    if not Membership.objects.filter(workspace_id=workspace.id, user=user).exists():
        raise Invalid.of("user", "not_a_member", "The user is not a member of this workspace.")


def _require_held(scopes: Collection[str], issuer_scopes: Collection[str] | None) -> None:
    if issuer_scopes is None:
        return
    for scope in sorted(set(scopes) - set(issuer_scopes)):
        raise ScopeMissing(f"You cannot hand on {scope}, which your token does not have.", scope=scope)


def grant_token(workspace: AnyWorkspace, token: ApiToken, *, actor: Actor) -> TokenGrant:
    """The operator's: let an existing token in here too. Again is nothing.

    Invalid for a token that was revoked, and for one whose user is no member here.
    """
    with transaction.atomic():
        if ApiToken.objects.select_for_update(no_key=True).get(pk=token.pk).revoked_at is not None:
            raise Invalid.of("token", "revoked", "This token was revoked.")
        if token.user is not None:
            _require_member(workspace, token.user)
        grant, is_new = TokenGrant.objects.get_or_create(workspace_id=workspace.id, token=token)
        if is_new:
            record_audit("grant.added", actor=actor, workspace_id=workspace.id, subject=token.public_id)
    return grant


def revoke_workspace_token(workspace: AnyWorkspace, public_id: str, *, actor: Actor) -> None:
    """End a token that has a grant here: the token itself, or only this grant when it serves other workspaces too.

    NotFound when there is no such token here. Again is nothing.
    """
    with transaction.atomic():
        grant = (
            TokenGrant.objects.select_related("token")
            .select_for_update(of=("self",), no_key=True)
            .filter(workspace_id=workspace.id, token__public_id=public_id)
            .first()
        )
        if grant is None:
            raise NotFound("There is no such token.")
        if TokenGrant.objects.filter(token=grant.token).exclude(pk=grant.pk).exists():
            grant.delete()
            record_audit("grant.removed", actor=actor, workspace_id=workspace.id, subject=public_id)
        else:
            revoke_token(grant.token, actor=actor, workspace_id=workspace.id)
        _forget_after_commit()


def add_identity(
    workspace: AnyWorkspace,
    *,
    provider: str,
    subject: str,
    scopes: Collection[str] | None = None,
    user_folder: str = "",
    actor: Actor,
    issuer_scopes: Collection[str] | None = None,
) -> ExternalIdentity:
    """Let somebody in whom an outside checker vouches for, as an admin at most. AlreadyExists when listed before."""
    wanted = sorted(set(EDITOR_SCOPES if scopes is None else scopes))
    check_scopes(wanted)
    if OPERATOR_READ in wanted:
        raise Invalid.of("scopes", "operator_scope", f"{OPERATOR_READ} is about the whole hub: no identity has it.")
    _require_held(wanted, issuer_scopes)
    if provider not in IdentityProvider.values:
        raise Invalid.of("provider", "unknown_provider", f"Providers are: {' '.join(IdentityProvider.values)}")
    if not subject or len(subject) > LONGEST_NAME or not subject.isprintable():
        raise Invalid.of("subject", "bad_subject", f"1 to {LONGEST_NAME} printable characters.")
    if not is_folder(user_folder):
        raise Invalid.of("user_folder", "bad_folder", "A relative folder of at most 255 bytes, such as people/ada.")
    try:
        with transaction.atomic():
            identity = ExternalIdentity.objects.create(
                workspace_id=workspace.id, provider=provider, subject=subject, scopes=wanted, user_folder=user_folder
            )
            details = {"scopes": wanted, "user_folder": user_folder}
            record_audit(
                "identity.added",
                actor=actor,
                workspace_id=workspace.id,
                subject=f"{provider}:{subject}",
                details=details,
            )
    except IntegrityError as failure:
        raise AlreadyExists("This identity is listed already.") from failure
    return identity


def remove_identity(workspace: AnyWorkspace, *, provider: str, subject: str, actor: Actor) -> None:
    """Take an outside identity off the list. NotFound when it is not on it."""
    with transaction.atomic():
        rows = ExternalIdentity.objects.filter(workspace_id=workspace.id, provider=provider, subject=subject)
        deleted, _ = rows.delete()
        if not deleted:
            raise NotFound("There is no such identity.")
        record_audit("identity.removed", actor=actor, workspace_id=workspace.id, subject=f"{provider}:{subject}")
        _forget_after_commit()


def _forget_after_commit() -> None:
    transaction.on_commit(forget_cached)
