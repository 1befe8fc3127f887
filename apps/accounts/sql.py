"""The statement that decides which of several equal requests runs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

CLAIM_KEY = """
INSERT INTO accounts_idempotencykey AS k (actor, key, fingerprint, status, body, created_at)
VALUES (%(actor)s, %(key)s, %(fingerprint)s, NULL, NULL, clock_timestamp())
ON CONFLICT (actor, key) DO UPDATE
   SET fingerprint = EXCLUDED.fingerprint, status = NULL, body = NULL, created_at = EXCLUDED.created_at
 WHERE k.created_at < EXCLUDED.created_at - make_interval(secs => %(kept_s)s)
    OR (k.status IS NULL AND k.fingerprint = EXCLUDED.fingerprint
        AND k.created_at < EXCLUDED.created_at - make_interval(secs => %(lease_s)s))
RETURNING k.id, k.created_at
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a request under its key, until another takes it over."""

    pk: int
    claimed_at: datetime


def claim_key(actor: str, key: str, *, fingerprint: bytes, lease_s: float, kept_s: float) -> Claim | None:
    """The claim, when the key is new, expired, or left behind by a request that died; else None.

    One upsert on the unique index of (actor, key): of simultaneous callers one gets the claim.
    """
    wanted: dict[str, Any] = {"actor": actor, "key": key, "fingerprint": fingerprint}
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_KEY, wanted | {"lease_s": lease_s, "kept_s": kept_s})
        row = cursor.fetchone()
    return None if row is None else Claim(*row)
