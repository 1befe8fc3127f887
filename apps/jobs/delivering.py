"""Worker: brings one event to one webhook endpoint."""

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.common import webhooks
from apps.common.errors import UrlBlocked
from apps.common.http import Limits, OutboundClient, OutboundError, Transient
from apps.common.secrets import SecretUnreadable
from apps.jobs.endpoints import note_failure, note_success, secret_of
from apps.jobs.models import DeliveryState, WebhookDelivery
from apps.jobs.runs import JobRun

MAX_ATTEMPTS = 20
"""With the pauses between them about ten hours."""
LIMITS = Limits(total_s=20.0, attempts=1)
GONE = 410


def deliver(run: JobRun) -> dict[str, Any]:
    """Send the delivery that the subject names, unless it has arrived or its endpoint is gone or off.

    Any answer but a 2xx is tried again, also a 404: receivers are deployed and broken by people. 410 switches the
    endpoint off.
    """
    delivery = WebhookDelivery.objects.select_related("endpoint").filter(public_id=run.subject).first()
    if delivery is None:
        return {"outcome": "gone"}
    if delivery.state == DeliveryState.DELIVERED:
        return {"outcome": "delivered_before"}
    if not delivery.endpoint.active:
        _record(run, delivery, state=DeliveryState.FAILED, error="the webhook is switched off")
        return {"outcome": "switched_off"}
    try:
        status = _sent(delivery)
    except (OutboundError, UrlBlocked, SecretUnreadable) as error:
        _refused(run, delivery, error)
        raise _as_retry(error) from error
    _record(run, delivery, state=DeliveryState.DELIVERED, status=status)
    return {"outcome": "delivered", "status": status}


def _sent(delivery: WebhookDelivery) -> int:
    event = webhooks.Event(delivery.event, delivery.payload, delivery.created_at, delivery.public_id)
    endpoint = delivery.endpoint
    client = _client(tuple(settings.MEMORYHUB_OUTBOUND_ALLOW))
    return webhooks.deliver(client, endpoint.url, event, secrets=[secret_of(endpoint)], now=timezone.now()).status


def _refused(run: JobRun, delivery: WebhookDelivery, error: Exception) -> None:
    status = getattr(error, "status", None) if isinstance(error, OutboundError) else None
    is_over = run.is_last_attempt or status == GONE or not isinstance(error, OutboundError)
    state = DeliveryState.FAILED if is_over else delivery.state
    _record(run, delivery, state=state, status=status, error=str(error), is_gone=status == GONE)


def _as_retry(error: Exception) -> Exception:
    """What the runner should see: the error itself where another attempt is of no use."""
    if not isinstance(error, OutboundError) or isinstance(error, Transient) or error.status == GONE:
        return error
    return Transient(error.detail, status=error.status, retry_after_s=error.retry_after_s)


def _record(
    run: JobRun,
    delivery: WebhookDelivery,
    *,
    state: str,
    status: int | None = None,
    error: str = "",
    is_gone: bool = False,
) -> None:
    """Write how the attempt ended, unless another worker has the job by now."""
    now = timezone.now()
    is_open = state == DeliveryState.PENDING
    with transaction.atomic():
        run.hold_fence()
        WebhookDelivery.objects.filter(pk=delivery.pk).update(
            state=state,
            status_code=status,
            last_error=error[:200],
            attempts=F("attempts") + 1,
            finished_at=None if is_open else now,
        )
        if state == DeliveryState.DELIVERED:
            note_success(delivery.endpoint, now=now)
        elif delivery.endpoint.active:
            note_failure(delivery.endpoint, error, is_final=is_gone, now=now)


@lru_cache(maxsize=4)
def _client(allow: tuple[str, ...]) -> OutboundClient:
    return OutboundClient(allow=allow, limits=LIMITS, user_agent="memoryhub-webhooks")
