"""Signed messages to other services. Source: the Standard Webhooks specification, 1.0.

`sign` and `verify` are pure; `deliver` makes one call through `apps.common.http`.
"""

import base64
import binascii
import hashlib
import hmac
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from apps.common.http import Answer, OutboundClient
from apps.common.ids import uuid7

WHSEC = "whsec_"
TOLERANCE_S = 300


class BadSignature(Exception):
    """The message was not signed with a known secret, or is too old. The text says which, for our log only."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell. `id` stays the same through every attempt, so a receiver can drop repeats."""

    type: str
    data: Mapping[str, Any]
    at: datetime
    id: UUID = field(default_factory=uuid7)

    @property
    def message_id(self) -> str:
        """The `webhook-id`."""
        return f"msg_{self.id.hex}"

    def body(self) -> bytes:
        """The payload: type, time of the event (RFC 3339 UTC, milliseconds) and data, as compact JSON."""
        at = self.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        payload = {"type": self.type, "timestamp": at, "data": self.data}
        return json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def new_secret() -> str:
    """A fresh signing secret of 32 bytes."""
    return WHSEC + base64.b64encode(os.urandom(32)).decode("ascii")


def sign(secrets: Sequence[str], *, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers. One signature for each secret, so that a receiver can change to the new one in its own time.

    `at` is the time of this attempt. Raises ValueError for a secret that is not `whsec_` and base64 of 24 to 64 bytes.
    """
    if not secrets:
        raise ValueError("a webhook needs at least one signing secret")
    timestamp = str(math.floor(at.timestamp()))
    signatures = [_signature(secret, message_id, timestamp, body) for secret in secrets]
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}


def verify(
    secrets: Sequence[str], headers: Mapping[str, str], body: bytes, *, now: datetime, tolerance_s: int = TOLERANCE_S
) -> str:
    """The message id, once one of the secrets signed exactly this body within `tolerance_s` of `now`.

    `headers` has lower-case names. Raises BadSignature, and ValueError for a malformed secret.
    """
    try:
        message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        given = headers["webhook-signature"].split()
    except KeyError as error:
        raise BadSignature(f"the header {error.args[0]} is missing") from error
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise BadSignature("webhook-timestamp is not a number of seconds")
    if abs(now.timestamp() - int(timestamp)) > tolerance_s:
        raise BadSignature("webhook-timestamp is too far from the clock here")
    expected = [_signature(secret, message_id, timestamp, body).encode() for secret in secrets]
    offered = [text.encode(errors="replace") for text in given]
    # Each pair is compared, so that the time taken does not tell which secret fitted.
    if not sum(hmac.compare_digest(one, other) for one in expected for other in offered):
        raise BadSignature("no signature fits")
    return message_id


def deliver(client: OutboundClient, url: str, event: Event, *, secrets: Sequence[str], now: datetime) -> Answer:
    """Sends the event; the answer is a 2xx, its body unread.

    Repeats within the client's limits: the receiver knows a repeat by its id. Raises UrlBlocked, Transient (try again
    later) or Permanent; Permanent with status 410 means that the receiver wants no more.
    """
    body = event.body()
    headers = sign(secrets, message_id=event.message_id, at=now, body=body) | {"Content-Type": "application/json"}
    return client.request("POST", url, headers=headers, content=body, idempotent=True, want_body=False).checked()


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    content = b".".join((message_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(_key(secret), content, hashlib.sha256)).decode("ascii")


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(WHSEC), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("a signing secret is whsec_ and base64") from error
    if not secret.startswith(WHSEC) or not 24 <= len(key) <= 64:
        raise ValueError("a signing secret is whsec_ and base64 of 24 to 64 bytes")
    return key
