"""Worker: tells peers what their workspace is about, and asks them for what all of theirs are. On schedule or at once.

A peer is a coordinator, a hub's or a stock one: it takes `POST /push` and answers `GET /pull`. The two halves fail and
are tried again together; what went well before is not repeated.
"""

import hashlib
import json
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.common.errors import BadJson, UrlBlocked
from apps.common.forms import parsed_json
from apps.common.http import Answer, Limits, OutboundClient, OutboundError, Permanent
from apps.common.schedules import due
from apps.common.secrets import SecretUnreadable
from apps.federation.models import Peer
from apps.federation.peers import EXCHANGE, grid_of, schedule_of
from apps.federation.summaries import MOST_BYTES, MOST_LABELS, MOST_TOPICS, holds_nul
from apps.files.queries import content_digests, counts_by_folder
from apps.jobs.actions import enqueue
from apps.jobs.endpoints import secret_box
from apps.jobs.runs import JobRun

PLAN_KIND = "federation.plan"
PLAN_EVERY_S = 15
MAX_ATTEMPTS = 4
LIMITS = Limits(total_s=60.0, attempts=1, max_body_bytes=MOST_BYTES)
LONGEST_WAIT_S = 600.0
"""A peer that asks for a longer wait would hold up its own schedule, and who asks for an exchange now."""
AT_THE_TOP = "/"
"""The topic of files that lie in no folder."""


def plan(run: JobRun, *, now: datetime | None = None) -> dict[str, int]:
    """Asks for the exchanges that are due. However many moments passed, one exchange makes up for them."""
    now = now or timezone.now()
    count = 0
    for peer in Peer.objects.filter(next_run_at__lte=now, workspace__archived_at=None).defer("view"):
        run.check()
        count += _planned(peer, now=now)
    return {"exchanges": count}


def _planned(peer: Peer, *, now: datetime) -> bool:
    """Of two planners one does."""
    schedule, planned = schedule_of(peer), peer.next_run_at
    owed = None if schedule is None or planned is None else due(schedule, planned, now, **grid_of(peer))
    if owed is None:
        return False
    with transaction.atomic():
        mine = Peer.objects.filter(pk=peer.pk, schedule=peer.schedule, next_run_at=planned)
        if not mine.update(next_run_at=owed.next_run_at):
            return False
        enqueue(EXCHANGE, str(peer.public_id), workspace_id=peer.workspace_id, actor="system", now=now)
    return True


def exchange(run: JobRun) -> dict[str, Any]:
    """Tells and asks the peer that the subject names, as far as it wants that, and keeps how it went."""
    peer = Peer.objects.select_related("workspace").defer("view").filter(public_id=run.subject).first()
    if peer is None or peer.workspace.archived_at is not None:
        return {"outcome": "gone"}
    try:
        told = _tell(run, peer) if peer.pushes else "off"
        run.check()
        asked = _ask(run, peer) if peer.pulls else "off"
    except (OutboundError, UrlBlocked, SecretUnreadable) as error:
        _keep(run, peer, failing_since=peer.failing_since or timezone.now(), last_error=str(error)[:200])
        if isinstance(error, OutboundError) and error.retry_after_s is not None:
            error.retry_after_s = min(error.retry_after_s, LONGEST_WAIT_S)
        raise
    _keep(run, peer, failing_since=None, last_error="")
    return {"outcome": "exchanged", "told": told, "asked": asked}


def own_summary(peer: Peer) -> dict[str, Any]:
    """What the workspace is about, without a time: how many files lie in each folder, and their digests if shared.

    Reads the paths of all live files below the peer's folder. Of too many topics the greatest are told, of too many
    digests the first.
    """
    counts = counts_by_folder(peer.workspace_id, peer.folder)
    greatest = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:MOST_TOPICS]
    labels = content_digests(peer.workspace_id, peer.folder, limit=MOST_LABELS) if peer.shares_hashes else []
    return {
        "agent_id": f"hub-{peer.workspace.public_id.hex[:16]}",
        "topic_counts": {folder or AT_THE_TOP: count for folder, count in greatest},
        "fact_hashes": [digest.hex() for digest in labels],
    }


def _tell(run: JobRun, peer: Peer) -> str:
    summary = own_summary(peer)
    digest = hashlib.sha256(json.dumps(summary, sort_keys=True).encode()).digest()
    now = timezone.now()
    is_known = bytes(peer.push_digest) == digest and peer.push_time is not None
    if is_known and peer.pushed_at is not None:
        if peer.resend_days is None or now - peer.pushed_at < timedelta(days=peer.resend_days):
            return "unchanged"
        is_known = False
    if not is_known:
        # Kept before it is sent, so that a retry after a kill is the same to the byte, and adds nothing.
        _keep(run, peer, push_digest=digest, push_time=now, pushed_at=None)
    assert peer.push_time is not None
    summary["timestamp"] = peer.push_time.isoformat(timespec="microseconds")
    _call(peer, "POST", "/push", {"summary": summary}).checked()
    _keep(run, peer, pushed_at=timezone.now())
    return "pushed"


def _ask(run: JobRun, peer: Peer) -> str:
    answer = _call(peer, "GET", "/pull")
    if answer.status == 304 and peer.pulled_tag:
        _keep(run, peer, pulled_at=timezone.now())
        return "unchanged"
    view = _view_in(answer.checked())
    _keep(run, peer, pulled_at=timezone.now(), pulled_tag=answer.headers.get("etag", "")[:200], view=view)
    return "pulled"


def _call(peer: Peer, method: str, path: str, body: Any = None) -> Answer:
    headers = {"Accept": "application/json"}
    if peer.token:
        headers["Authorization"] = f"Bearer {secret_box().decrypt(peer.token)}"
    if method == "GET" and peer.pulled_tag:
        headers["If-None-Match"] = peer.pulled_tag
    client = _client(tuple(settings.MEMORYHUB_OUTBOUND_ALLOW))
    return client.request(method, secret_box().decrypt(peer.url) + path, headers=headers, body_json=body)


def _view_in(answer: Answer) -> dict[str, Any]:
    """The merged view in an answer, without what the contract does not know. Permanent for anything else."""
    try:
        body = parsed_json(answer.body)
    except BadJson as error:
        raise Permanent("The peer's answer is no JSON.", status=answer.status) from error
    match body:
        case {
            "merged_topic_counts": dict(counts),
            "unique_fact_hashes": list(labels),
            "contributing_agents": int(agents),
            "last_updated": str(last_updated),
        } if all(type(number) is int for number in (agents, *counts.values())):
            view = {
                "merged_topic_counts": counts,
                "unique_fact_hashes": labels,
                "contributing_agents": agents,
                "last_updated": last_updated,
            }
            if all(isinstance(label, str) for label in labels) and not holds_nul(json.dumps(view)):
                return view
    raise Permanent("The peer's answer is no merged view.", status=answer.status)


def _keep(run: JobRun, peer: Peer, **values: Any) -> None:
    """Writes how far the exchange is, unless another worker has it by now, or the peer has another address."""
    with transaction.atomic():
        run.hold_fence()
        # The encrypted text is another one each time that it is set.
        Peer.objects.filter(pk=peer.pk, url=peer.url, folder=peer.folder).update(**values)
    for name, value in values.items():
        setattr(peer, name, value)


@lru_cache(maxsize=4)
def _client(allow: tuple[str, ...]) -> OutboundClient:
    return OutboundClient(allow=allow, limits=LIMITS, user_agent="memoryhub-federation")
