"""The gate's reads, measured: one statement over raw psycopg instead of three queries of the ORM."""

from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from django.db import DatabaseError, InterfaceError, connection

TOKEN_IN_WORKSPACE: LiteralString = """
SELECT t.id, t.kind, t.digest, t.key_id, t.scopes,
       t.revoked_at IS NULL AND coalesce(u.is_active, true),
       extract(epoch FROM t.expires_at - clock_timestamp())::float8,
       coalesce(t.last_used_at < clock_timestamp() - interval '1 minute', true),
       t.user_id, t.is_operator_issued, m.role, w.id, w.public_id, w.portable_names
  FROM accounts_apitoken t
  LEFT JOIN accounts_user u ON u.id = t.user_id
  LEFT JOIN (workspaces_tokengrant g JOIN workspaces_workspace w ON w.id = g.workspace_id
             AND w.slug = %(slug)s AND w.archived_at IS NULL) ON g.token_id = t.id
  LEFT JOIN workspaces_membership m ON m.workspace_id = w.id AND m.user_id = t.user_id
 WHERE t.public_id = %(public_id)s
"""

IDENTITY_IN_WORKSPACE: LiteralString = """
SELECT i.scopes, i.user_folder, w.id, w.public_id, w.portable_names
  FROM workspaces_workspace w
  JOIN workspaces_externalidentity i ON i.workspace_id = w.id AND i.provider = %(provider)s AND i.subject = %(subject)s
 WHERE w.slug = %(slug)s AND w.archived_at IS NULL
"""

LIVE_WORKSPACE: LiteralString = """
SELECT w.id, w.public_id, w.portable_names
  FROM workspaces_workspace w
 WHERE w.slug = %(slug)s AND w.archived_at IS NULL
"""

# A row that somebody else holds is left alone: whoever revokes the token must not make its user wait.
TOUCH_TOKEN: LiteralString = """
UPDATE accounts_apitoken SET last_used_at = clock_timestamp(), digest = %(digest)s, key_id = %(key_id)s
 WHERE id = (SELECT id FROM accounts_apitoken
              WHERE id = %(id)s AND revoked_at IS NULL
                AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')
                FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class WorkspaceRow:
    id: int
    public_id: UUID
    portable_names: bool


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as the gate needs it. `workspace` is None where it has no grant, or there is no such workspace."""

    pk: int
    kind: str
    digest: bytes
    key_id: str
    scopes: frozenset[str]
    is_live: bool
    seconds_left: float | None
    is_due_for_touch: bool
    user_pk: int | None
    is_operator_issued: bool
    role: str | None
    workspace: WorkspaceRow | None


@dataclass(frozen=True, slots=True)
class IdentityRow:
    scopes: frozenset[str]
    user_folder: str
    workspace: WorkspaceRow


def token_in_workspace(public_id: str, slug: str) -> TokenRow | None:
    """The token with its grant for `slug` and its user's role there. Four or five unique index look-ups, one trip."""
    row = _one(TOKEN_IN_WORKSPACE, {"public_id": public_id, "slug": slug})
    if row is None:
        return None
    return TokenRow(
        row[0],
        row[1],
        bytes(row[2]),
        row[3],
        frozenset(row[4]),
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
        row[10],
        None if row[11] is None else WorkspaceRow(row[11], row[12], row[13]),
    )


def identity_in_workspace(provider: str, subject: str, slug: str) -> IdentityRow | None:
    """The outside identity if the workspace lists it. Two unique index look-ups, one trip."""
    row = _one(IDENTITY_IN_WORKSPACE, {"provider": provider, "subject": subject, "slug": slug})
    return None if row is None else IdentityRow(frozenset(row[0]), row[1], WorkspaceRow(row[2], row[3], row[4]))


def live_workspace(slug: str) -> WorkspaceRow | None:
    """The workspace of that slug unless archived. One unique index look-up."""
    row = _one(LIVE_WORKSPACE, {"slug": slug})
    return None if row is None else WorkspaceRow(*row)


def touch_token(pk: int, *, key_id: str, digest: bytes) -> None:
    """Note that the token was used, and bring its digest to the current key. At most one row change a minute."""
    _run(TOUCH_TOKEN, {"id": pk, "key_id": key_id, "digest": digest})


def _one(statement: LiteralString, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
    """First row. This is mostly a request's first query, so a connection that died idle is replaced here, once."""
    try:
        return _run(statement, parameters).fetchone()
    except (DatabaseError, InterfaceError):
        held = connection.connection
        if connection.in_atomic_block or held is None or not held.closed:
            raise
        connection.close()
    return _run(statement, parameters).fetchone()


def _run(statement: LiteralString, parameters: dict[str, Any]) -> psycopg.Cursor[Any]:
    """Execute as a prepared statement; Django's own cursor would bind on the client and parse each time."""
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor = psycopg.Cursor(connection.connection)
        cursor.execute(statement, parameters, prepare=True)
        return cursor
