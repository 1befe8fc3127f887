"""Scopes: what a token may do, by area and verb."""

AREAS = ("files", "snapshots", "restores", "memory", "connectors", "federation", "jobs", "audit")
WORKSPACE_ADMIN = "workspace:admin"
OPERATOR_READ = "operator:read"

ALL_SCOPES: frozenset[str] = frozenset(
    {f"{area}:{verb}" for area in AREAS for verb in ("read", "write")}
    | {"federation:push", "federation:pull", WORKSPACE_ADMIN, OPERATOR_READ}
)

VIEWER_SCOPES = frozenset({f"{area}:read" for area in AREAS if area != "audit"} | {"federation:pull"})
EDITOR_SCOPES = VIEWER_SCOPES | {
    "files:write",
    "snapshots:write",
    "memory:write",
    "federation:write",
    "federation:push",
    "jobs:write",
}
ADMIN_SCOPES = ALL_SCOPES - {OPERATOR_READ}
"""All that can be done in one workspace. The operator's scope is about the whole hub and comes from no role."""

PATH_SCOPES = frozenset({"federation:push", "federation:pull"})
"""All that a token may do that travels in a path."""


def unknown_scopes(scopes: object) -> list[str]:
    """Those of `scopes` that do not exist, sorted."""
    return sorted(str(scope) for scope in set(scopes) - ALL_SCOPES)  # type: ignore[call-overload]


ROLE_SCOPES: dict[str, frozenset[str]] = {
    "viewer": VIEWER_SCOPES,
    "editor": EDITOR_SCOPES,
    "admin": ADMIN_SCOPES,
    "owner": ADMIN_SCOPES,
}
"""What a user's role allows. Owners beside it archive the workspace and choose owners: that is no scope."""
