"""Writes of peers: other coordinators that a workspace exchanges summaries with. Each leaves a line of audit."""

import re
from collections.abc import Mapping
from typing import Any

import httpx
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.actions import record_audit
from apps.accounts.actors import Actor
from apps.common.errors import AlreadyExists, Invalid
from apps.common.http import origin
from apps.common.schedules import Schedule, next_run, parse_schedule, parse_zone
from apps.common.secrets import MASK
from apps.federation.choices import LONGEST_DAYS
from apps.federation.models import Peer
from apps.federation.queries import peer_of, peers_of
from apps.files.paths import checked_prefix
from apps.jobs.actions import enqueue
from apps.jobs.endpoints import check_url, secret_box
from apps.jobs.models import Job
from apps.workspaces.actions import AnyWorkspace

EXCHANGE = "federation.exchange"
MOST_PEERS = 50
LONGEST_TOKEN = 4000
SHORTEST_S = 60
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

_PROGRESS: dict[str, Any] = {
    "push_digest": b"",
    "push_time": None,
    "pushed_at": None,
    "pulled_at": None,
    "pulled_tag": "",
    "view": None,
    "failing_since": None,
    "last_error": "",
}
"""How far the exchange with a peer is, at its beginning."""


def create_peer(workspace: AnyWorkspace, name: str, values: Mapping[str, Any], *, actor: Actor) -> Peer:
    """A new peer with what `change_peer` can set, of which it needs the url.

    Raises Invalid, which names the field, UrlBlocked and AlreadyExists.
    """
    if NAME.fullmatch(name) is None:
        raise Invalid.of("name", "name", "A name is lower-case letters, digits and '-', at most 63.")
    if not values.get("url"):
        raise Invalid.of("url", "required", "A peer has an address.")
    peer = Peer(workspace_id=workspace.id, name=name, created_at=timezone.now())
    _set(peer, values)
    try:
        with transaction.atomic():
            if peers_of(workspace.id).count() >= MOST_PEERS:
                raise Invalid.of("name", "too_many", f"A workspace has at most {MOST_PEERS} peers.")
            peer.save(force_insert=True)
            _audit("peer.created", peer, actor, fields=sorted(values))
    except IntegrityError as failure:
        raise AlreadyExists("A peer has this name.") from failure
    return peer


def change_peer(workspace: AnyWorkspace, name: str, changes: Mapping[str, Any], *, actor: Actor) -> Peer:
    """Sets any of `url`, `token`, `pushes`, `pulls`, `folder`, `shares_hashes`, `resend_days`, `schedule`, `timezone`.

    At another address, or of another part of the workspace, it begins anew: nothing counts as told, and the view that
    it gave is forgotten. Raises NotFound, and as `create_peer`.
    """
    with transaction.atomic():
        peer = peer_of(workspace.id, name, for_update=True)
        _set(peer, changes)
        peer.save(update_fields=[*changes, *_PROGRESS, "next_run_at"])
        _audit("peer.changed", peer, actor, fields=sorted(changes))
    return peer


def delete_peer(workspace: AnyWorkspace, name: str, *, actor: Actor) -> None:
    """Forgets the peer and the view that it gave. What it was told stays with it. Raises NotFound."""
    with transaction.atomic():
        peer = peer_of(workspace.id, name, for_update=True)
        peer.delete()
        _audit("peer.deleted", peer, actor)


def request_exchange(workspace: AnyWorkspace, name: str, *, actor: Actor) -> Job:
    """The job that tells the peer what is new and asks it. Raises NotFound."""
    peer = peer_of(workspace.id, name)
    return enqueue(EXCHANGE, str(peer.public_id), workspace_id=workspace.id, actor=str(actor))


def schedule_of(peer: Peer) -> Schedule | None:
    """None where there is none. Raises Invalid for one that cannot be read, such as of a zone that is gone."""
    if not peer.schedule:
        return None
    return parse_schedule(peer.schedule, zone=peer.timezone, shortest_s=SHORTEST_S)


def grid_of(peer: Peer) -> dict[str, Any]:
    """Where the moments of the peer's schedule count from."""
    return {"seed": str(peer.public_id), "anchor": peer.created_at}


def shown_url(peer: Peer) -> str:
    """The address up to its host; what follows may hold a token, and is masked. Raises SecretUnreadable."""
    url = httpx.URL(secret_box().decrypt(peer.url))
    return origin(url) + (f"/{MASK}" if url.raw_path != b"/" else "")


def _set(peer: Peer, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(peer, name, _checked(name, value))
    if not peer.pushes and not peer.pulls:
        raise Invalid.of("pushes", "nothing_to_do", "A peer is told or asked, or both.")
    if {"schedule", "timezone"} & values.keys():
        schedule = schedule_of(peer)
        peer.next_run_at = None if schedule is None else next_run(schedule, timezone.now(), **grid_of(peer))
    if {"url", "folder", "shares_hashes"} & values.keys():
        for name, value in _PROGRESS.items():
            setattr(peer, name, value)


def _checked(name: str, value: Any) -> Any:
    match name:
        case "url":
            check_url(value)
            if httpx.URL(value).query or httpx.URL(value).fragment:
                raise Invalid.of("url", "query", "/push and /pull are put behind the address: it has no ? and no #.")
            return secret_box().encrypt(value.rstrip("/"))
        case "token":
            if len(value) > LONGEST_TOKEN or not (value.isascii() and value.isprintable()):
                raise Invalid.of("token", "token", f"A token is printable ASCII of at most {LONGEST_TOKEN} characters.")
            return secret_box().encrypt(value) if value else ""
        case "timezone":
            parse_zone(value)
        case "folder":
            return checked_prefix(value.strip("/"))
        case "resend_days" if value is not None and not 1 <= value <= LONGEST_DAYS:
            raise Invalid.of("resend_days", "out_of_range", f"1 to {LONGEST_DAYS} days, or null for never.")
    return value


def _audit(action: str, peer: Peer, actor: Actor, **details: Any) -> None:
    # Not the address: its path may be a token.
    record_audit(action, actor=actor, workspace_id=peer.workspace_id, subject=peer.name, details=details)
