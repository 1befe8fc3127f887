"""The gate: the only way from a request to a workspace.

A stranger's workspace answers like one that does not exist. What the gate has found is kept for
MEMORYHUB_TOKEN_CACHE_S seconds in this process, so that is how long a revoked token may still pass elsewhere.
"""

import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.accounts import heare, tokens
from apps.accounts.actors import Actor
from apps.accounts.credentials import Credential, credential_by_key, credential_of, fingerprint
from apps.accounts.limits import count_refusal, limit_caller
from apps.accounts.models import User
from apps.accounts.queries import key_ring
from apps.accounts.scopes import ADMIN_SCOPES, EDITOR_SCOPES, OPERATOR_READ, ROLE_SCOPES
from apps.common.errors import NotFound, RateLimited, ScopeMissing, Unauthorized
from apps.common.expiring import ExpiringCache
from apps.workspaces import sql
from apps.workspaces.models import ExternalIdentity, IdentityProvider, Role
from apps.workspaces.sql import TokenRow, WorkspaceRow
from apps.workspaces.standing import OPERATOR

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
NO_SLUG = ""
"""Stands for every text that cannot be a slug: looked up all the same, so that a bad token is told first."""
CACHE_ENTRIES = 4096


@dataclass(frozen=True, slots=True)
class OpenWorkspace:
    """A workspace that the caller may enter, who the caller is there, and what the caller may do."""

    id: int
    public_id: UUID
    slug: str
    portable_names: bool
    actor: Actor
    scopes: frozenset[str]
    acting_role: str
    """As who the caller acts, see `standing`: the role of the token's user; OPERATOR for a token without a user that
    the operator issued; for all others what they can be at most, an admin, and for API_KEY an editor."""
    user_folder: str = ""
    """Of an outside identity, for surfaces on which each user sees one folder."""

    def require(self, scope: str) -> None:
        """ScopeMissing unless the caller has `scope`."""
        if scope not in self.scopes:
            raise ScopeMissing(f"This needs the scope {scope}.", scope=scope)


_cache: ExpiringCache[OpenWorkspace] = ExpiringCache(CACHE_ENTRIES)


def open_workspace(
    request: Any, slug: str, scope: str, *, rate_limited: bool = True, key_is_token: bool = False
) -> OpenWorkspace:
    """The workspace `slug` for the caller of `request` (Django's or DRF's), who may do `scope` there.

    Raises Unauthorized without a good token, NotFound where the token has no business (or there is no such
    workspace), ScopeMissing, RateLimited, and Unavailable when an outside checker is needed and away.
    `rate_limited=False` is for routes whose clients cannot take a 429, `key_is_token` for those whose clients send
    their token in X-API-Key. One query at most a few seconds for each token and workspace, about 170 us; then 6 us
    (measured).
    """
    try:
        workspace = _remembered(request.META, slug, key_is_token=key_is_token)
    except RateLimited:
        if rate_limited:
            raise
        raise Unauthorized() from None
    if rate_limited:
        limit_caller(workspace.actor.label)
    workspace.require(scope)
    return workspace


def _remembered(meta: Mapping[str, Any], slug: str, *, key_is_token: bool) -> OpenWorkspace:
    credential = credential_by_key(meta) if key_is_token else credential_of(meta)
    if credential is None:
        raise count_refusal(meta)
    key = fingerprint(credential.came_in, credential.text, slug)
    workspace = _cache.get(key, now=time.monotonic())
    if workspace is None:
        generation = _cache.generation
        workspace, seconds = _admit(credential, slug if SLUG.fullmatch(slug) else NO_SLUG, meta)
        _cache.put(key, workspace, until=time.monotonic() + seconds, generation=generation)
    return workspace


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a good token, before any workspace is named. `scopes` are the token's own."""

    actor: Actor
    kind: str
    """`token`, `api_key` or `heare`."""
    scopes: frozenset[str]
    subject: str = ""
    """Of an outside identity."""
    is_operator: bool = False
    """Whether the operator issued the token, for no user."""


def identify(request: Any) -> Caller:
    """Who calls, where no workspace is named. Raises Unauthorized, RateLimited, Unavailable. Never from the cache."""
    credential = credential_of(request.META)
    if credential is None:
        raise count_refusal(request.META)
    if _is_static_key(credential):
        caller = Caller(Actor("api_key"), "api_key", EDITOR_SCOPES)
    elif _is_ours(credential):
        row, token = _verified(credential, NO_SLUG, request.META)
        caller = Caller(_token_actor(row, token), "token", row.scopes, is_operator=_is_operators(row))
    else:
        subject = _outside_subject(credential, request.META)
        scopes = _scopes_of_identity(subject)
        if not scopes:
            raise count_refusal(request.META)
        caller = Caller(Actor(f"heare:{subject}"), "heare", scopes, subject)
    limit_caller(caller.actor.label)
    return caller


def open_operator(request: Any) -> Caller:
    """The caller, who may read the state of the whole hub. Raises ScopeMissing beside what `identify` raises.

    A token needs the operator or a superuser behind it: the scope alone could outlive the trust.
    """
    caller = identify(request)
    user_pk = caller.actor.user_pk
    is_trusted = caller.is_operator or (
        user_pk is not None and User.objects.filter(pk=user_pk, is_superuser=True).exists()
    )
    if caller.kind != "token" or OPERATOR_READ not in caller.scopes or not is_trusted:
        raise ScopeMissing(f"This needs the scope {OPERATOR_READ}.", scope=OPERATOR_READ)
    return caller


def forget_cached() -> None:
    """Make this process ask the database again for every token."""
    _cache.clear()


def _admit(credential: Credential, slug: str, meta: Mapping[str, Any]) -> tuple[OpenWorkspace, float]:
    """The workspace and for how many seconds that may be believed. Raises as `open_workspace` does."""
    kept_s = float(settings.MEMORYHUB_TOKEN_CACHE_S)
    if _is_static_key(credential):
        return _admit_static_key(slug), kept_s
    if _is_ours(credential):
        row, token = _verified(credential, slug, meta)
        workspace = _open_for_token(row, token, slug)
        return workspace, kept_s if row.seconds_left is None else min(kept_s, row.seconds_left)
    return _admit_identity(_outside_subject(credential, meta), slug, meta), kept_s


def _is_ours(credential: Credential) -> bool:
    return credential.came_in != "api_key" and tokens.claims_to_be_ours(credential.text)


def _is_static_key(credential: Credential) -> bool:
    """Whether this is API_KEY, in constant time. That key travels in headers only."""
    key = settings.API_KEY
    return bool(key) and credential.came_in != "path" and hmac.compare_digest(credential.text.encode(), key.encode())


def _admit_static_key(slug: str) -> OpenWorkspace:
    row = sql.live_workspace(slug) if slug == settings.API_KEY_WORKSPACE else None
    return _opened(row, slug, actor=Actor("api_key"), scopes=EDITOR_SCOPES, acting_role=Role.EDITOR)


def _verified(credential: Credential, slug: str, meta: Mapping[str, Any]) -> tuple[TokenRow, tokens.Token]:
    """The token's row, when the token is one of ours, proven, alive, and came the way that its kind travels."""
    token = tokens.parse(credential.text)
    if token is None or (token.kind == "path") != (credential.came_in == "path"):
        raise count_refusal(meta)
    row = sql.token_in_workspace(token.public_id, slug)
    ring = key_ring()
    if row is None or row.kind != token.kind or not ring.verifies(token, key_id=row.key_id, digest=row.digest):
        raise count_refusal(meta)
    if not row.is_live or (row.seconds_left is not None and row.seconds_left <= 0):
        raise count_refusal(meta)
    if row.is_due_for_touch:
        key_id, digest = ring.digest(token)
        sql.touch_token(row.pk, key_id=key_id, digest=digest)
    return row, token


def _token_actor(row: TokenRow, token: tokens.Token) -> Actor:
    return Actor(f"token:{token.public_id}", token_pk=row.pk, user_pk=row.user_pk)


def _is_operators(row: TokenRow) -> bool:
    return row.is_operator_issued and row.user_pk is None


def _open_for_token(row: TokenRow, token: tokens.Token, slug: str) -> OpenWorkspace:
    """A token without a user has its scopes; a user's has those that the user's role here allows, or no way in."""
    actor = _token_actor(row, token)
    if row.user_pk is None:
        acting_role = OPERATOR if _is_operators(row) else Role.ADMIN
        return _opened(row.workspace, slug, actor=actor, scopes=row.scopes, acting_role=acting_role)
    if row.role is None:
        raise NotFound()
    return _opened(row.workspace, slug, actor=actor, scopes=row.scopes & ROLE_SCOPES[row.role], acting_role=row.role)


def _outside_subject(credential: Credential, meta: Mapping[str, Any]) -> str:
    """Whom the outside checker says this is. Unauthorized when it knows nobody, or may not be asked."""
    subject = heare.subject_of(credential.text) if credential.came_in == "bearer" else None
    if subject is None:
        raise count_refusal(meta)
    return subject


def _admit_identity(subject: str, slug: str, meta: Mapping[str, Any]) -> OpenWorkspace:
    """One listed nowhere answers like a bad token, whatever the checker says; one listed elsewhere is a stranger.

    Nobody's user, so an admin at most, whatever the row says.
    """
    row = sql.identity_in_workspace(IdentityProvider.HEARE, subject, slug)
    if row is None:
        raise NotFound() if _scopes_of_identity(subject) else count_refusal(meta)
    return _opened(
        row.workspace,
        slug,
        actor=Actor(f"heare:{subject}"),
        scopes=row.scopes & ADMIN_SCOPES,
        acting_role=Role.ADMIN,
        user_folder=row.user_folder,
    )


def _scopes_of_identity(subject: str) -> frozenset[str]:
    """The scopes that the identity has anywhere; none where nobody lists it."""
    rows = ExternalIdentity.objects.filter(
        provider=IdentityProvider.HEARE, subject=subject, workspace__archived_at=None
    )
    listed = frozenset(scope for scopes in rows.values_list("scopes", flat=True) for scope in scopes)
    return listed & ADMIN_SCOPES


def _opened(row: WorkspaceRow | None, slug: str, **caller: Any) -> OpenWorkspace:
    if row is None:
        raise NotFound()
    return OpenWorkspace(id=row.id, public_id=row.public_id, slug=slug, portable_names=row.portable_names, **caller)
