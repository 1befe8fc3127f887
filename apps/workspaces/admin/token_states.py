"""What has become of a token, in words and colours."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.accounts.models import ApiToken
from apps.accounts.tokens import PREFIXES

SOON = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class TokenState:
    """`kind` is the colour of the label; `ends_at` is when it ended or will."""

    text: str
    kind: str
    ends_at: datetime | None
    is_live: bool


def state_of(token: ApiToken, now: datetime) -> TokenState:
    """Revoked, expired, active, or active with less than a week to go."""
    if token.revoked_at is not None:
        return TokenState("revoked", "default", token.revoked_at, is_live=False)
    if token.expires_at is None:
        return TokenState("active", "success", None, is_live=True)
    if token.expires_at <= now:
        return TokenState("expired", "danger", token.expires_at, is_live=False)
    if token.expires_at - now < SOON:
        return TokenState("ends soon", "warning", token.expires_at, is_live=True)
    return TokenState("active", "success", token.expires_at, is_live=True)


def shown_id(token: ApiToken) -> str:
    """The part of a token that is no secret."""
    return f"{PREFIXES[token.kind]}{token.public_id}\u2060…"
