"""A workspace tells other coordinators what it is about, and keeps what they answer."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import AuditEvent
from apps.blobs.content import Content
from apps.common.conditions import ANY
from apps.common.errors import AlreadyExists, Invalid, NotFound, UrlBlocked
from apps.federation.exchanging import LONGEST_WAIT_S, PLAN_KIND
from apps.federation.models import Peer
from apps.federation.peers import EXCHANGE, change_peer, create_peer, delete_peer, request_exchange, shown_url
from apps.federation.queries import peer_of
from apps.files.actions import delete_file, put_file
from apps.files.errors import BadPath
from apps.jobs.actions import enqueue
from apps.jobs.models import Job
from apps.jobs.running import run_job
from apps.workspaces.actions import archive_workspace
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.fakes.coordinator import FakeCoordinator

FILES = {"notes/a.md": b"A", "notes/b.md": b"B", "work/plan.md": b"Plan", "readme.md": b"Hi"}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def loopback_may_be_called(settings: Any) -> None:
    settings.MEMORYHUB_OUTBOUND_ALLOW = ("127.0.0.1",)


@pytest.fixture
def other() -> Iterator[FakeCoordinator]:
    with FakeCoordinator() as running:
        yield running


@pytest.fixture
def workspace() -> Workspace:
    made = make_workspace()
    for path, data in FILES.items():
        write(made, path, data)
    return made


def write(workspace: Workspace, path: str, data: bytes) -> None:
    put_file(workspace, path, Content.of_bytes(data), condition=ANY, content_type="text/plain", actor=ACTOR)


def add(workspace: Workspace, other: FakeCoordinator, **values: Any) -> Peer:
    return create_peer(workspace, "harbour", {"url": f"{other.url}/base/"} | values, actor=ACTOR)


def exchanged(workspace: Workspace) -> tuple[str, Peer]:
    outcome = run_job(request_exchange(workspace, "harbour", actor=ACTOR).pk)
    return outcome, peer_of(workspace.pk, "harbour")


def test_an_exchange_tells_folders_and_keeps_the_merged_view(workspace: Workspace, other: FakeCoordinator) -> None:
    add(workspace, other, token="mh_secret")

    outcome, peer = exchanged(workspace)

    assert outcome == "succeeded"
    assert [(method, path) for method, path, _headers, _body in other.seen] == [
        ("POST", "/base/push"),
        ("GET", "/base/pull"),
    ]
    assert {headers["Authorization"] for _method, _path, headers, _body in other.seen} == {"Bearer mh_secret"}
    (sent,) = other.pushes()
    assert sent["topic_counts"] == {"/": 1, "notes": 2, "work": 1}
    assert sent["fact_hashes"] == []
    assert sent["agent_id"] == f"hub-{workspace.public_id.hex[:16]}"
    assert peer.view == {name: value for name, value in other.merged().items() if name != "metadata"}
    assert (peer.failing_since, peer.last_error) == (None, "")


def test_a_folder_and_digests_are_told_where_they_are_asked_for(workspace: Workspace, other: FakeCoordinator) -> None:
    write(workspace, "notes/deep/c.md", b"A")
    add(workspace, other, folder="notes", shares_hashes=True)

    exchanged(workspace)

    (sent,) = other.pushes()
    assert sent["topic_counts"] == {"/": 2, "deep": 1}
    assert sent["fact_hashes"] == sorted(hashlib.sha256(data).hexdigest() for data in (b"A", b"B"))


def test_what_has_not_changed_is_told_once(workspace: Workspace, other: FakeCoordinator) -> None:
    add(workspace, other)
    for _ in range(3):
        exchanged(workspace)
    assert len(other.pushes()) == 1

    delete_file(workspace, "work/plan.md", condition=ANY, actor=ACTOR)
    exchanged(workspace)

    assert [each["topic_counts"] for each in other.pushes()] == [
        {"/": 1, "notes": 2, "work": 1},
        {"/": 1, "notes": 2},
    ]


def test_what_has_not_changed_is_told_again_after_days_that_are_asked_for(
    workspace: Workspace, other: FakeCoordinator
) -> None:
    add(workspace, other, resend_days=2)
    exchanged(workspace)
    for days in (1, 1):
        peer = peer_of(workspace.pk, "harbour")
        Peer.objects.filter(pk=peer.pk).update(pushed_at=peer.pushed_at - timedelta(days=days))
        exchanged(workspace)

    first, second = other.pushes()
    assert first["topic_counts"] == second["topic_counts"]
    assert first["timestamp"] < second["timestamp"]


def test_a_retry_is_the_same_to_the_byte(workspace: Workspace, other: FakeCoordinator) -> None:
    add(workspace, other)
    other.status = 503
    assert exchanged(workspace)[0] == "retry"
    other.status = 0
    Job.objects.filter(kind=EXCHANGE).delete()

    assert exchanged(workspace)[0] == "succeeded"

    first, second = other.pushes()
    assert first == second


def test_a_peer_that_refuses_is_said_to_be_failing_and_keeps_its_view(
    workspace: Workspace, other: FakeCoordinator
) -> None:
    add(workspace, other)
    _outcome, before = exchanged(workspace)
    other.status = 401

    outcome, peer = exchanged(workspace)

    assert outcome == "failed"
    assert peer.last_error == f"{other.url} answered 401"
    assert peer.failing_since is not None
    assert peer.view == before.view
    other.status = 0
    assert exchanged(workspace)[1].failing_since is None


def test_an_unchanged_view_is_not_sent_again(workspace: Workspace, other: FakeCoordinator) -> None:
    other.tag = 'W/"one"'
    add(workspace, other, pushes=False)
    _outcome, first = exchanged(workspace)
    _outcome, second = exchanged(workspace)

    assert [headers.get("If-None-Match") for _method, _path, headers, _body in other.seen] == [None, 'W/"one"']
    assert second.view == first.view
    assert second.pulled_at > first.pulled_at


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"merged_topic_counts": {}},
        {"merged_topic_counts": {"a": "b"}, "unique_fact_hashes": [], "contributing_agents": 1, "last_updated": ""},
        {"merged_topic_counts": {}, "unique_fact_hashes": [1], "contributing_agents": 1, "last_updated": ""},
        {"merged_topic_counts": {}, "unique_fact_hashes": "ab", "contributing_agents": 1, "last_updated": ""},
        {"merged_topic_counts": {"a\0": 1}, "unique_fact_hashes": [], "contributing_agents": 1, "last_updated": ""},
        {"merged_topic_counts": {}, "unique_fact_hashes": [], "contributing_agents": True, "last_updated": ""},
    ],
)
def test_an_answer_that_is_no_merged_view_is_refused(workspace: Workspace, other: FakeCoordinator, answer: Any) -> None:
    other.answer = answer
    add(workspace, other, pushes=False)

    outcome, peer = exchanged(workspace)

    assert outcome == "failed"
    assert "merged view" in peer.last_error
    assert peer.view is None


def test_a_peer_that_says_nothing_is_new_to_who_knows_nothing_is_refused(
    workspace: Workspace, other: FakeCoordinator
) -> None:
    other.status = 304
    add(workspace, other, pushes=False)

    outcome, peer = exchanged(workspace)

    assert outcome == "failed"
    assert peer.pulled_at is None


def test_a_peer_cannot_put_its_exchanges_off_for_days(workspace: Workspace, other: FakeCoordinator) -> None:
    other.status, other.retry_after = 429, "100000"
    add(workspace, other)

    assert exchanged(workspace)[0] == "retry"

    wait = Job.objects.get(kind=EXCHANGE).next_run_at - timezone.now()
    assert wait <= timedelta(seconds=LONGEST_WAIT_S)


def test_addresses_inside_are_not_called(workspace: Workspace, other: FakeCoordinator, settings: Any) -> None:
    add(workspace, other)
    settings.MEMORYHUB_OUTBOUND_ALLOW = ()

    outcome, peer = exchanged(workspace)

    assert outcome == "failed"
    assert other.seen == []
    assert peer.failing_since is not None


def test_due_peers_exchange_once_and_are_planned_anew(workspace: Workspace, other: FakeCoordinator) -> None:
    peer = add(workspace, other, schedule="every 1h")
    assert peer.next_run_at is not None
    Peer.objects.filter(pk=peer.pk).update(next_run_at=datetime(2026, 1, 1, tzinfo=UTC))

    for _ in range(2):
        assert run_job(enqueue(PLAN_KIND, "").pk) == "succeeded"

    assert Job.objects.filter(kind=EXCHANGE, subject=str(peer.public_id)).count() == 1
    assert peer_of(workspace.pk, "harbour").next_run_at > datetime.now(UTC)


def test_an_archived_workspace_tells_nothing(workspace: Workspace, other: FakeCoordinator) -> None:
    add(workspace, other)
    job = request_exchange(workspace, "harbour", actor=ACTOR)
    archive_workspace(workspace, actor=ACTOR)

    assert run_job(job.pk) == "succeeded"

    assert other.seen == []


# --- Peers themselves


def test_neither_token_nor_address_lie_in_the_clear(workspace: Workspace, other: FakeCoordinator) -> None:
    peer = create_peer(workspace, "stock", {"url": f"{other.url}/t/mhp_secret", "token": "mh_hidden"}, actor=ACTOR)

    row = str(Peer.objects.filter(pk=peer.pk).values())
    assert "secret" not in row
    assert "hidden" not in row
    assert shown_url(peer) == f"{other.url}/****"
    assert not AuditEvent.objects.filter(details__icontains="secret").exists()


def test_another_address_begins_anew(workspace: Workspace, other: FakeCoordinator) -> None:
    add(workspace, other)
    exchanged(workspace)

    changed = change_peer(workspace, "harbour", {"url": f"{other.url}/elsewhere"}, actor=ACTOR)

    assert changed.view is None
    exchanged(workspace)
    assert [path for method, path, _headers, _body in other.seen if method == "POST"] == [
        "/base/push",
        "/elsewhere/push",
    ]


def test_another_schedule_keeps_what_is_known(workspace: Workspace, other: FakeCoordinator) -> None:
    add(workspace, other)
    _outcome, before = exchanged(workspace)

    change_peer(workspace, "harbour", {"schedule": "@daily"}, actor=ACTOR)

    after = peer_of(workspace.pk, "harbour")
    assert (after.view, after.pushed_at) == (before.view, before.pushed_at)
    assert after.next_run_at is not None


@pytest.mark.parametrize(
    ("name", "values", "field"),
    [
        ("Bad Name", {"url": "https://hub.example.org"}, "name"),
        ("good", {}, "url"),
        ("good", {"url": "https://hub.example.org/?token=x"}, "url"),
        ("good", {"url": "https://hub.example.org", "pushes": False, "pulls": False}, "pushes"),
        ("good", {"url": "https://hub.example.org", "schedule": "sometimes"}, "schedule"),
        ("good", {"url": "https://hub.example.org", "schedule": "@daily", "timezone": "Mars/Base"}, "timezone"),
        ("good", {"url": "https://hub.example.org", "timezone": "Mars/Base"}, "timezone"),
        ("good", {"url": "https://hub.example.org", "resend_days": 0}, "resend_days"),
        ("good", {"url": "https://hub.example.org", "token": "not\nprintable"}, "token"),
    ],
)
def test_a_peer_with_a_bad_value_is_refused_by_its_field(name: str, values: Any, field: str) -> None:
    workspace = make_workspace()

    with pytest.raises(Invalid) as refused:
        create_peer(workspace, name, values, actor=ACTOR)

    assert refused.value.fields["errors"][0]["field"] == field
    assert not Peer.objects.exists()


def test_a_peer_with_an_address_that_may_not_be_called_is_refused() -> None:
    for url in ("http://169.254.169.254/", "https://hub.example.org:99999", "ftp://hub.example.org"):
        with pytest.raises(UrlBlocked):
            create_peer(make_workspace(), "good", {"url": url}, actor=ACTOR)


def test_a_peer_of_an_impossible_folder_is_refused() -> None:
    with pytest.raises(BadPath):
        create_peer(make_workspace(), "good", {"url": "https://hub.example.org", "folder": "a/../b"}, actor=ACTOR)


def test_a_name_is_given_once_and_free_when_its_peer_is_deleted(workspace: Workspace, other: FakeCoordinator) -> None:
    add(workspace, other)
    with pytest.raises(AlreadyExists):
        add(workspace, other)

    delete_peer(workspace, "harbour", actor=ACTOR)

    with pytest.raises(NotFound):
        peer_of(workspace.pk, "harbour")
    add(workspace, other)
