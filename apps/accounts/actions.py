"""Writes of accounts: the audit trail, tokens, and the answers kept under idempotency keys."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts import tokens
from apps.accounts.actors import Actor
from apps.accounts.models import ApiToken, AuditEvent, IdempotencyKey, User
from apps.accounts.queries import key_ring
from apps.accounts.scopes import ALL_SCOPES, unknown_scopes
from apps.accounts.sql import Claim, claim_key
from apps.common.errors import AlreadyExists, IdempotencyInUse, IdempotencyMismatch, Invalid, shown

LONGEST_NAME = 200
ANSWERS_KEPT = timedelta(hours=24)


def record_audit(
    action: str,
    *,
    actor: Actor,
    workspace_id: int | None = None,
    subject: str = "",
    details: dict[str, Any] | None = None,
) -> AuditEvent:
    """Write one line of the audit trail. Call inside the transaction that makes it true.

    `action` is `<noun>.<past verb>` (`token.issued`). `details` holds plain JSON and never a secret.
    """
    return AuditEvent.objects.create(
        action=action,
        actor=actor.label[:LONGEST_NAME],
        workspace_id=workspace_id,
        subject=subject[:LONGEST_NAME],
        details=details or {},
        request_id=str(structlog.contextvars.get_contextvars().get("request_id", ""))[:128],
    )


def mint_token(
    *,
    name: str,
    scopes: Collection[str],
    expires_at: datetime | None,
    user: User | None,
    kind: str,
    is_operator_issued: bool = False,
) -> tuple[ApiToken, str]:
    """A new token and its text, which is kept nowhere. Call inside a transaction; a grant lets it in somewhere."""
    check_scopes(scopes)
    token = tokens.mint(kind)
    key_id, digest = key_ring().digest(token)
    row = ApiToken.objects.create(
        public_id=token.public_id,
        kind=kind,
        digest=digest,
        key_id=key_id,
        name=name,
        user=user,
        scopes=sorted(set(scopes)),
        is_operator_issued=is_operator_issued,
        expires_at=expires_at,
    )
    return row, token.text


def check_scopes(scopes: Collection[str]) -> None:
    """Invalid, listing the known ones, when a scope does not exist or there is none."""
    if not scopes:
        raise Invalid.of("scopes", "empty", "Name at least one scope.")
    if unknown := unknown_scopes(scopes):
        known = " ".join(sorted(ALL_SCOPES))
        named = shown(" ".join(unknown))
        raise Invalid.of("scopes", "unknown_scope", f"No such scope: {named}. Known are: {known}")


def revoke_token(token: ApiToken, *, actor: Actor, workspace_id: int | None = None) -> bool:
    """End `token` everywhere; other processes notice within MEMORYHUB_TOKEN_CACHE_S. False when it had ended before.

    Call inside a transaction.
    """
    ended = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
    if not ended:
        return False
    record_audit("token.revoked", actor=actor, workspace_id=workspace_id, subject=token.public_id)
    return True


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer as it was given: its bytes as text, so that a retry reads the very same."""

    status: int
    text: str
    headers: dict[str, str]


def claim_idempotency_key(actor: str, key: str, *, fingerprint: bytes, lease_s: float) -> Claim | KeptAnswer:
    """The right to run the request, or the answer that it was given before.

    Raises IdempotencyMismatch when the key belongs to another request, IdempotencyInUse while the first one runs.
    A claim that is neither kept nor released within `lease_s` seconds may be taken over.
    """
    while True:
        claim = claim_key(
            actor[:LONGEST_NAME], key, fingerprint=fingerprint, lease_s=lease_s, kept_s=ANSWERS_KEPT.total_seconds()
        )
        if claim is not None:
            return claim
        row = IdempotencyKey.objects.filter(actor=actor[:LONGEST_NAME], key=key).first()
        if row is None:
            # The first request gave its key back in between.
            continue
        if bytes(row.fingerprint) != fingerprint:
            raise IdempotencyMismatch()
        if row.status is None or row.body is None:
            raise IdempotencyInUse()
        return KeptAnswer(row.status, row.body["text"], row.body["headers"])


def keep_answer(claim: Claim, answer: KeptAnswer) -> None:
    """Keep the answer for retries, unless another request has taken the key over."""
    IdempotencyKey.objects.filter(pk=claim.pk, created_at=claim.claimed_at, status=None).update(
        status=answer.status, body={"text": answer.text, "headers": answer.headers}
    )


def release_idempotency_key(claim: Claim) -> None:
    """Give the key back: the request had no final answer."""
    IdempotencyKey.objects.filter(pk=claim.pk, created_at=claim.claimed_at, status=None).delete()


def forget_kept_answers(*, now: datetime) -> int:
    """Delete the keys older than 24 hours; how many. For the daily housekeeping."""
    deleted, _ = IdempotencyKey.objects.filter(created_at__lt=now - ANSWERS_KEPT).delete()
    return deleted


def create_user(username: str, *, password: str, is_administrator: bool = False, actor: Actor) -> User:
    """A person who may sign in to the console; an administrator may do everything there.

    Raises AlreadyExists for a name in use, Invalid for a name or password that Django's validators refuse.
    """
    user = User(username=username, is_staff=is_administrator, is_superuser=is_administrator)
    _give_password(user, password)
    try:
        user.clean_fields()
    except ValidationError as refusal:
        raise Invalid.of("username", "bad_username", shown(" ".join(refusal.messages))) from refusal
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            record_audit("user.created", actor=actor, subject=username, details={"is_administrator": is_administrator})
    except IntegrityError as clash:
        raise AlreadyExists("There is a user of this name.") from clash
    return user


def set_password(user: User, *, password: str, actor: Actor) -> None:
    """Give the user another password, which ends the user's console sessions. Invalid when it is too weak."""
    _give_password(user, password)
    with transaction.atomic():
        user.save(update_fields=["password"])
        record_audit("user.password_changed", actor=actor, subject=user.username)


def _give_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as refusal:
        raise Invalid.of("password", "weak_password", " ".join(refusal.messages)) from refusal
    user.set_password(password)
