"""The OpenAPI descriptions of the operations on workspaces, one example each. The examples are replayed by a test."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from apps.accounts.scopes import EDITOR_SCOPES, VIEWER_SCOPES
from apps.common.openapi import KEY, answer, body, listing
from apps.workspaces.api.forms import IdentityForm, MemberForm, TokenForm
from apps.workspaces.options import LARGEST_COUNT, LONGEST_DAYS, LONGEST_NAME, MOST_ORIGINS

CREATED_AT = "2026-01-05T09:30:00.000Z"
TOKEN_EXAMPLE: dict[str, Any] = {
    "id": "0aB1cD2eF3gH",
    "name": "laptop",
    "kind": "api",
    "user": None,
    "scopes": ["files:read", "files:write"],
    "created_at": CREATED_AT,
    "expires_at": "2026-04-05T09:30:00.000Z",
    "last_used_at": None,
    "revoked_at": None,
}
REACH_EXAMPLE: dict[str, Any] = {"slug": "default", "name": "", "role": None, "scopes": sorted(EDITOR_SCOPES)}
WORKSPACE_EXAMPLE: dict[str, Any] = {
    "id": "019b8d84-6c40-7d3a-8f6e-2b1c5a9e4d70",
    "slug": "default",
    "created_at": CREATED_AT,
    "name": "Everything",
    "quota_files": None,
    "quota_live_bytes": None,
    "quota_stored_bytes": None,
    "history_days": None,
    "tombstone_days": None,
    "portable_names": False,
    "cors_origins": [],
    "usage": {"live_files": 1, "live_bytes": 13, "stored_bytes": 13},
}
MEMBER_EXAMPLE = {"username": "ada", "role": "editor", "created_at": CREATED_AT}
IDENTITY_EXAMPLE: dict[str, Any] = {
    "provider": "heare",
    "subject": "key_0aB1cD2eF3gH",
    "scopes": sorted(VIEWER_SCOPES),
    "user_folder": "",
    "created_at": CREATED_AT,
}
AUDIT_EXAMPLE: dict[str, Any] = {
    "at": CREATED_AT,
    "actor": "token:0aB1cD2eF3gH",
    "action": "member.set",
    "subject": "ada",
    "details": {"from": None, "to": "editor"},
    "request_id": "019b8d846c407d3a8f6e2b1c5a9e4d70",
}

_COUNT = {"type": "integer", "nullable": True, "minimum": 0, "maximum": LARGEST_COUNT}
_DAYS = {"type": "integer", "nullable": True, "minimum": 1, "maximum": LONGEST_DAYS}
OPTIONS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "maxLength": LONGEST_NAME},
        "quota_files": _COUNT,
        "quota_live_bytes": _COUNT,
        "quota_stored_bytes": _COUNT,
        "history_days": _DAYS,
        "tombstone_days": _DAYS,
        "portable_names": {"type": "boolean"},
        "cors_origins": {"type": "array", "maxItems": MOST_ORIGINS, "items": {"type": "string", "maxLength": 200}},
    },
}


def _gone(operation_id: str, tag: str, *parameters: OpenApiParameter) -> dict[str, Any]:
    return {
        "operation_id": operation_id,
        "tags": [tag],
        "parameters": [*parameters],
        "responses": {204: OpenApiResponse(description="Gone")},
    }


def _in_path(name: str, example: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.PATH, examples=[OpenApiExample(name, example)])


ME: dict[str, Any] = {
    "operation_id": "me",
    "tags": ["workspaces"],
    "responses": answer(
        200,
        "Who calls, and where to",
        {
            "actor": "token:0aB1cD2eF3gH",
            "kind": "token",
            "user": None,
            "scopes": TOKEN_EXAMPLE["scopes"],
            "token": TOKEN_EXAMPLE | {"last_used_at": CREATED_AT},
            "workspaces": [REACH_EXAMPLE | {"scopes": TOKEN_EXAMPLE["scopes"]}],
        },
    ),
}
LIST_WORKSPACES = listing("workspaces_list", "workspaces", "The workspaces that the token reaches", REACH_EXAMPLE)
READ_WORKSPACE: dict[str, Any] = {
    "operation_id": "workspaces_read",
    "tags": ["workspaces"],
    "responses": answer(200, "The workspace", WORKSPACE_EXAMPLE),
}
UPDATE_WORKSPACE: dict[str, Any] = {
    "operation_id": "workspaces_update",
    "tags": ["workspaces"],
    "request": {"application/json": OPTIONS_SCHEMA},
    "examples": body({"name": "Everything", "history_days": 365}),
    "responses": answer(200, "The workspace after the change", WORKSPACE_EXAMPLE | {"history_days": 365}),
}
ARCHIVE_WORKSPACE = _gone(
    "workspaces_archive",
    "workspaces",
    OpenApiParameter(
        "confirm",
        str,
        required=True,
        description="The slug again: this closes the workspace.",
        examples=[OpenApiExample("confirm", "default")],
    ),
)
LIST_TOKENS = listing("tokens_list", "tokens", "Tokens, newest first, ended ones too", TOKEN_EXAMPLE)
ISSUE_TOKEN: dict[str, Any] = {
    "operation_id": "tokens_issue",
    "tags": ["tokens"],
    "request": TokenForm,
    "examples": body({"name": "laptop", "scopes": ["files:read", "files:write"], "expires_days": 90}),
    "responses": answer(
        201,
        "The token; its text is shown this once",
        TOKEN_EXAMPLE | {"token": "mh_0aB1cD2eF3gH_<32 secret characters><6 of check sum>"},
    ),
}
REVOKE_TOKEN = _gone("tokens_revoke", "tokens", _in_path("token_id", "0aB1cD2eF3gH"))
LIST_MEMBERS = listing("members_list", "members", "Members", MEMBER_EXAMPLE)
SET_MEMBER: dict[str, Any] = {
    "operation_id": "members_set",
    "tags": ["members"],
    "request": MemberForm,
    "parameters": [_in_path("username", "ada")],
    "examples": body({"role": "editor"}),
    "responses": answer(200, "The member", MEMBER_EXAMPLE),
}
REMOVE_MEMBER = _gone("members_remove", "members", _in_path("username", "ada"))
LIST_IDENTITIES = listing("identities_list", "identities", "Outside identities that are let in", IDENTITY_EXAMPLE)
ADD_IDENTITY: dict[str, Any] = {
    "operation_id": "identities_add",
    "tags": ["identities"],
    "request": IdentityForm,
    "parameters": [KEY],
    "examples": body({"provider": "heare", "subject": "key_0aB1cD2eF3gH", "scopes": sorted(VIEWER_SCOPES)}),
    "responses": answer(201, "The identity", IDENTITY_EXAMPLE),
}
REMOVE_IDENTITY = _gone(
    "identities_remove", "identities", _in_path("provider", "heare"), _in_path("subject", "key_0aB1cD2eF3gH")
)
LIST_AUDIT = listing(
    "audit_list",
    "audit",
    "Who changed what, newest first",
    AUDIT_EXAMPLE,
    OpenApiParameter(
        "action", str, description="Only this action.", examples=[OpenApiExample("members", "member.set")]
    ),
)
