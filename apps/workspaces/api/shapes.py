"""Workspaces and who may enter them, as JSON."""

from typing import Any

from apps.accounts.models import ApiToken, AuditEvent
from apps.common.times import rfc3339, rfc3339_or_none
from apps.workspaces.access import Caller
from apps.workspaces.models import ExternalIdentity, Membership, Workspace
from apps.workspaces.options import OPTIONS
from apps.workspaces.queries import Reach


def caller_json(caller: Caller, token: ApiToken | None, reach: list[Reach]) -> dict[str, Any]:
    return {
        "actor": caller.actor.label,
        "kind": caller.kind,
        "user": token.user.username if token and token.user else None,
        "scopes": sorted(caller.scopes),
        "token": token_json(token) if token else None,
        "workspaces": [reach_json(each) for each in reach],
    }


def reach_json(reach: Reach) -> dict[str, Any]:
    return {"slug": reach.slug, "name": reach.name, "role": reach.role, "scopes": sorted(reach.scopes)}


def workspace_json(workspace: Workspace) -> dict[str, Any]:
    """With its counter loaded."""
    usage = workspace.counter
    return {
        "id": str(workspace.public_id),
        "slug": workspace.slug,
        "created_at": rfc3339(workspace.created_at),
        **{name: getattr(workspace, name) for name in OPTIONS},
        "usage": {
            "live_files": usage.live_files,
            "live_bytes": usage.live_bytes,
            "stored_bytes": usage.stored_bytes,
        },
    }


def token_json(token: ApiToken) -> dict[str, Any]:
    """Everything but the secret, which is kept nowhere."""
    return {
        "id": token.public_id,
        "name": token.name,
        "kind": token.kind,
        "user": token.user.username if token.user else None,
        "scopes": token.scopes,
        "created_at": rfc3339(token.created_at),
        "expires_at": rfc3339_or_none(token.expires_at),
        "last_used_at": rfc3339_or_none(token.last_used_at),
        "revoked_at": rfc3339_or_none(token.revoked_at),
    }


def member_json(member: Membership) -> dict[str, Any]:
    return {"username": member.user.username, "role": member.role, "created_at": rfc3339(member.created_at)}


def identity_json(identity: ExternalIdentity) -> dict[str, Any]:
    return {
        "provider": identity.provider,
        "subject": identity.subject,
        "scopes": identity.scopes,
        "user_folder": identity.user_folder,
        "created_at": rfc3339(identity.created_at),
    }


def audit_json(event: AuditEvent) -> dict[str, Any]:
    return {
        "at": rfc3339(event.at),
        "actor": event.actor,
        "action": event.action,
        "subject": event.subject,
        "details": event.details,
        "request_id": event.request_id,
    }
