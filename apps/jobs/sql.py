"""The statements on which leases and fences stand. Each decides and writes at once; none reads and then writes.

Python's clock is not asked: machines differ, the database is one. `%(now)s` is null outside of tests. The statement's
own time, not `clock_timestamp()`: a volatile function would keep the indexes on times from being used.
"""

import json
from typing import Any

from django.db import connection

NOW = "COALESCE(%(now)s::timestamptz, statement_timestamp())"

# An open job of the same kind and subject takes the request in. Waiting, it comes forward, unless it waits because it
# failed. Running, it may have read its input already: it is marked to run once more.
ENQUEUE = f"""
INSERT INTO jobs_job AS job (public_id, kind, subject, workspace_id, state, next_run_at, fence, attempts, max_attempts,
    progress_done, progress_note, rerun_actor, rerun_request_id, actor, request_id, error_code, error_detail,
    created_at)
VALUES (%(public_id)s, %(kind)s, %(subject)s, %(workspace_id)s, 'queued',
    COALESCE(%(run_at)s::timestamptz, {NOW}), 0, 0, %(max_attempts)s,
    0, '', '', '', %(actor)s, %(request_id)s, '', '', {NOW})
ON CONFLICT (kind, subject) WHERE state IN ('queued', 'running') DO UPDATE SET
    next_run_at = CASE job.state WHEN 'queued' THEN EXCLUDED.next_run_at ELSE job.next_run_at END,
    rerun_at = CASE job.state WHEN 'running' THEN EXCLUDED.next_run_at ELSE job.rerun_at END,
    rerun_actor = CASE job.state WHEN 'running' THEN EXCLUDED.actor ELSE job.rerun_actor END,
    rerun_request_id = CASE job.state WHEN 'running' THEN EXCLUDED.request_id ELSE job.rerun_request_id END
WHERE (job.state = 'queued' AND job.attempts = 0 AND EXCLUDED.next_run_at < job.next_run_at)
    OR (job.state = 'running' AND (job.rerun_at IS NULL OR EXCLUDED.next_run_at < job.rerun_at))
RETURNING job.id, job.state = 'queued' AND job.next_run_at <= {NOW} AS is_due
"""

_CLAIMED = f"""
UPDATE jobs_job AS job SET
    state = 'running', fence = job.fence + 1, attempts = job.attempts + 1, started_at = {NOW},
    lease_until = {NOW} + make_interval(secs => (%(leases)s::jsonb ->> job.kind)::float),
    progress_done = 0, progress_total = NULL, progress_note = '',
    rerun_at = CASE WHEN job.rerun_at > {NOW} THEN job.rerun_at END
FROM due WHERE job.id = due.id
RETURNING job.id, job.public_id, job.kind, job.subject, job.workspace_id, job.fence, job.attempts, job.max_attempts,
    job.actor, job.request_id
"""
# Only kinds that this process knows: during a deployment an older worker leaves the newer kinds alone.
_IS_DUE = f"state = 'queued' AND next_run_at <= {NOW} AND %(leases)s::jsonb ? kind"
CLAIM = f"WITH due AS (SELECT id FROM jobs_job WHERE id = %(id)s AND {_IS_DUE} FOR UPDATE) {_CLAIMED}"
CLAIM_NEXT = f"""
WITH due AS (
    SELECT id FROM jobs_job WHERE {_IS_DUE} ORDER BY next_run_at LIMIT 1 FOR UPDATE SKIP LOCKED
) {_CLAIMED}"""

_MINE = "id = %(id)s AND fence = %(fence)s AND state = 'running'"

RENEW = f"""
UPDATE jobs_job SET lease_until = {NOW} + make_interval(secs => %(lease_s)s)
WHERE {_MINE} RETURNING cancel_requested_at IS NOT NULL
"""
PROGRESS = f"""
UPDATE jobs_job SET lease_until = {NOW} + make_interval(secs => %(lease_s)s),
    progress_done = %(done)s, progress_total = %(total)s, progress_note = %(note)s
WHERE {_MINE} RETURNING cancel_requested_at IS NOT NULL
"""
HOLD_FENCE = f"SELECT 1 FROM jobs_job WHERE {_MINE} FOR SHARE"

FINISH = f"""
UPDATE jobs_job SET state = %(state)s, finished_at = {NOW}, lease_until = NULL, result = %(result)s::jsonb,
    error_code = %(code)s, error_detail = %(detail)s
WHERE {_MINE} RETURNING id
"""
PUT_BACK = f"""
UPDATE jobs_job SET state = 'queued', lease_until = NULL, attempts = attempts - %(uncounted)s,
    next_run_at = {NOW} + make_interval(secs => %(delay_s)s), error_code = %(code)s, error_detail = %(detail)s
WHERE {_MINE} AND cancel_requested_at IS NULL RETURNING id
"""

# Jobs whose worker fell silent: cancelled when that was asked for, failed after the last attempt, else queued again, at
# once after the first death and ever later after more: work that kills its worker must not take the others along.
RECLAIM = f"""
WITH lost AS (
    SELECT id, attempts, CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
                              WHEN attempts >= max_attempts THEN 'failed' ELSE 'queued' END AS new_state
    FROM jobs_job WHERE state = 'running' AND lease_until < {NOW}
    ORDER BY lease_until LIMIT 200 FOR UPDATE SKIP LOCKED
)
UPDATE jobs_job AS job SET state = new_state, lease_until = NULL,
    finished_at = CASE WHEN new_state <> 'queued' THEN {NOW} END,
    next_run_at = {NOW} + make_interval(
        secs => CASE WHEN lost.attempts <= 1 THEN 0 ELSE LEAST(power(2, LEAST(lost.attempts, 30)), 300) END),
    error_code = CASE new_state WHEN 'cancelled' THEN '' ELSE 'worker_lost' END,
    error_detail = CASE new_state WHEN 'cancelled' THEN '' ELSE 'The worker stopped without a word.' END
FROM lost WHERE job.id = lost.id
RETURNING job.id
"""

RECORD_TICK = f"""
INSERT INTO jobs_tick AS tick (id, at) VALUES (1, {NOW})
ON CONFLICT (id) DO UPDATE SET at = GREATEST(tick.at, EXCLUDED.at)
"""
# The periodic kinds that have no open job and whose last one was made at least a period ago.
DUE_KINDS = f"""
SELECT wanted.kind FROM jsonb_each_text(%(periods)s::jsonb) AS wanted (kind, every_s)
WHERE NOT EXISTS (
        SELECT 1 FROM jobs_job WHERE kind = wanted.kind AND subject = '' AND state IN ('queued', 'running'))
    AND NOT EXISTS (
        SELECT 1 FROM jobs_job WHERE kind = wanted.kind AND subject = ''
            AND created_at > {NOW} - make_interval(secs => wanted.every_s::float))
ORDER BY wanted.kind
"""
DUE_JOBS = f"""
SELECT id FROM jobs_job WHERE state = 'queued' AND next_run_at <= {NOW} ORDER BY next_run_at LIMIT %(limit)s
"""

# The newest job of a periodic kind stays, and the newest that succeeded: they say when it ran last, and when well.
DELETE_FINISHED = f"""
WITH old AS (
    SELECT id FROM jobs_job AS job
    WHERE finished_at < {NOW} - make_interval(secs => CASE
            WHEN state = 'failed' THEN %(failed_s)s
            WHEN %(periods)s::jsonb ? kind THEN %(periodic_s)s
            ELSE %(finished_s)s END)
        AND finished_at < {NOW} - make_interval(secs => LEAST(%(failed_s)s, %(periodic_s)s, %(finished_s)s))
        AND (NOT %(periods)s::jsonb ? kind OR created_at < (
            SELECT max(created_at) FROM jobs_job AS newest WHERE newest.kind = job.kind AND newest.subject = ''
                AND newest.state = CASE job.state WHEN 'succeeded' THEN 'succeeded' ELSE newest.state END))
    ORDER BY finished_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM jobs_job WHERE id IN (SELECT id FROM old)
"""

# A delivery whose job ended without a word about it, cancelled or with its worker: nobody brings it any more.
SETTLE_DELIVERIES = f"""
WITH lost AS (
    SELECT id FROM jobs_webhookdelivery AS delivery
    WHERE state = 'pending' AND created_at < {NOW} - make_interval(secs => %(age_s)s)
        AND NOT EXISTS (
            SELECT 1 FROM jobs_job WHERE kind = %(kind)s AND subject = delivery.public_id::text
                AND state IN ('queued', 'running'))
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs_webhookdelivery SET state = 'failed', finished_at = {NOW}, last_error = %(error)s
WHERE id IN (SELECT id FROM lost)
"""
DELETE_DELIVERIES = f"""
WITH old AS (
    SELECT id FROM jobs_webhookdelivery WHERE finished_at < {NOW} - make_interval(secs => %(age_s)s)
    ORDER BY finished_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM jobs_webhookdelivery WHERE id IN (SELECT id FROM old)
"""


def one(statement: str, **values: Any) -> tuple[Any, ...] | None:
    """The first row of the statement's answer, or None."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


def many(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """All rows of the statement's answer."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def changed(statement: str, **values: Any) -> int:
    """How many rows the statement changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def as_json(value: Any) -> str:
    """A parameter for a `jsonb` place."""
    return json.dumps(value)
