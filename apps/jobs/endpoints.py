"""Writes of webhook endpoints: which addresses outside hear of a workspace. Each leaves a line of audit."""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache

import httpx
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts.actions import record_audit
from apps.accounts.actors import Actor
from apps.common.addresses import AllowList, parse_address
from apps.common.errors import Invalid, NotFound, UrlBlocked
from apps.common.http import origin
from apps.common.secrets import SecretBox
from apps.common.webhooks import new_secret
from apps.jobs.actions import EVENTS, WEBHOOK_TEST, deliver_to
from apps.jobs.models import WebhookDelivery, WebhookEndpoint

LONGEST_URL = 2000
MOST_ENDPOINTS = 50
FAILING_FOR = timedelta(days=3)
"""An endpoint at which nothing arrived for this long is switched off."""


def create_endpoint(
    workspace_id: int, *, url: str, events: Collection[str], active: bool = True, actor: Actor
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and its signing secret, which is shown this once and kept encrypted.

    Raises UrlBlocked for an address that may not be called, Invalid for unknown events or one endpoint too many.
    """
    check_url(url)
    check_events(events)
    secret = new_secret()
    with transaction.atomic():
        if WebhookEndpoint.objects.filter(workspace_id=workspace_id).count() >= MOST_ENDPOINTS:
            raise Invalid.of("url", "too_many", f"A workspace has at most {MOST_ENDPOINTS} webhooks.")
        endpoint = WebhookEndpoint.objects.create(
            workspace_id=workspace_id,
            url=url,
            events=sorted(set(events)),
            active=active,
            secret=secret_box().encrypt(secret),
        )
        _audit("webhook.created", endpoint, actor, events=endpoint.events)
    return endpoint, secret


def change_endpoint(
    endpoint: WebhookEndpoint,
    *,
    url: str | None = None,
    events: Collection[str] | None = None,
    active: bool | None = None,
    actor: Actor,
) -> WebhookEndpoint:
    """Set what is not None. Switching an endpoint on forgives its failures.

    Raises NotFound, and as `create_endpoint`.
    """
    changes: dict[str, object] = {}
    if url is not None:
        check_url(url)
        changes["url"] = url
    if events is not None:
        check_events(events)
        changes["events"] = sorted(set(events))
    if active is not None:
        changes["active"] = active
        if active:
            changes |= {"disabled_at": None, "failing_since": None, "last_error": ""}
    with transaction.atomic():
        if changes and not WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**changes):
            raise NotFound
        if changes:
            _audit("webhook.changed", endpoint, actor, fields=sorted(changes))
    endpoint.refresh_from_db()
    return endpoint


def delete_endpoint(endpoint: WebhookEndpoint, *, actor: Actor) -> None:
    """Remove the endpoint and its deliveries, waiting ones included. Again is nothing."""
    with transaction.atomic():
        _, removed = WebhookEndpoint.objects.filter(pk=endpoint.pk).delete()
        if removed.get("jobs.WebhookEndpoint"):
            _audit("webhook.deleted", endpoint, actor)


def send_test(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Send a `webhook.test` to the endpoint, whatever it listens to. Invalid when it is switched off."""
    if not endpoint.active:
        raise Invalid.of("active", "inactive", "The webhook is switched off.")
    with transaction.atomic():
        return deliver_to(endpoint, WEBHOOK_TEST, {"webhook": str(endpoint.public_id)})


def note_success(endpoint: WebhookEndpoint, *, now: datetime | None = None) -> None:
    """Something arrived. Call inside the transaction that records the delivery."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        failing_since=None, last_error="", last_success_at=now or timezone.now()
    )


def note_failure(endpoint: WebhookEndpoint, error: str, *, is_final: bool = False, now: datetime | None = None) -> None:
    """Something did not arrive; after three days of nothing else, or when `is_final`, the endpoint is switched off.

    Call inside the transaction that records the delivery.
    """
    now = now or timezone.now()
    row = WebhookEndpoint.objects.select_for_update().filter(pk=endpoint.pk).first()
    if row is None:
        return
    changes: dict[str, object] = {"last_error": error[:200], "failing_since": row.failing_since or now}
    is_over = is_final or (row.failing_since is not None and now - row.failing_since >= FAILING_FOR)
    if row.active and is_over:
        changes |= {"active": False, "disabled_at": now}
        _audit("webhook.disabled", row, Actor.system(), failing_since=(row.failing_since or now).isoformat())
    WebhookEndpoint.objects.filter(pk=row.pk).update(**changes)


def secret_of(endpoint: WebhookEndpoint) -> str:
    """The signing secret in clear. Raises SecretUnreadable when the key that encrypted it is gone."""
    return secret_box().decrypt(endpoint.secret)


def origin_of(endpoint: WebhookEndpoint) -> str:
    """`https://host:port`: the part of the address that may be shown to anybody who sees the endpoint."""
    return origin(httpx.URL(endpoint.url))


def check_events(events: Collection[str]) -> None:
    """Raises Invalid unless each is an event that an endpoint can listen to, and there is one."""
    if not events or not set(events) <= set(EVENTS):
        raise Invalid.of("events", "unknown_event", f"Name at least one of: {', '.join(EVENTS)}.")


def check_url(url: str) -> None:
    """Raises UrlBlocked for an address that could never be called. What a name resolves to is judged at each call."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise UrlBlocked("The address cannot be read.", reason="unreadable") from error
    if len(url) > LONGEST_URL or not url.isprintable():
        raise UrlBlocked(f"An address has at most {LONGEST_URL} printable characters.", reason="unreadable")
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise UrlBlocked("Only http and https addresses are called.", reason="scheme")
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise UrlBlocked("The address names an impossible port.", reason="port")
    if parsed.userinfo:
        raise UrlBlocked("An address carries no user and password.", reason="credentials")
    allowed = AllowList.parse(settings.MEMORYHUB_OUTBOUND_ALLOW)
    address = parse_address(parsed.host)
    if address is not None and not allowed.permits(address):
        raise UrlBlocked("This network is not called from here.", reason="address")


def secret_box() -> SecretBox:
    """What encrypts secrets at rest, with the keys of MEMORYHUB_SECRETS_KEY."""
    return _box(settings.MEMORYHUB_SECRETS_KEY)


@lru_cache(maxsize=4)
def _box(keys: str) -> SecretBox:
    return SecretBox(keys.split(","))


def _audit(action: str, endpoint: WebhookEndpoint, actor: Actor, **details: object) -> None:
    # The origin only: a path or query often holds the receiver's own secret.
    record_audit(
        action,
        actor=actor,
        workspace_id=endpoint.workspace_id,
        subject=str(endpoint.public_id),
        details={"origin": origin_of(endpoint), **details},
    )
