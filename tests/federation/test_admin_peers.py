"""Peers in the console: added, changed, exchanged with, removed; silent about their addresses and tokens."""

from typing import Any

import pytest
from django.utils import timezone

from apps.federation.models import Peer
from apps.federation.peers import create_peer, shown_url
from apps.jobs.endpoints import secret_box
from apps.jobs.models import Job
from apps.jobs.running import run_job
from apps.workspaces.models import Workspace
from tests.console import member
from tests.factories import ACTOR, make_workspace
from tests.fakes.coordinator import FakeCoordinator
from tests.federation.pages import EDIT, EXCHANGE, NEW, PEER, PEERS, REMOVE, YES, operator
from tests.files.client import nothing_changes, statements_sent

pytestmark = pytest.mark.django_db

URL = "https://hub.example.com/w/team/coordinator/t/mhp_secretsecret"
TOKEN = "mh_tokentokento_tok"
FORM = {"name": "other", "url": URL, "token": TOKEN, "pushes": "on", "pulls": "on", "timezone": "UTC"}
CHANGED = {key: value for key, value in FORM.items() if key != "name"} | {"url": "", "token": ""}
HERE = {"workspace": "mine", "name": "other"}
VIEW: dict[str, Any] = {
    "merged_topic_counts": {"a": 2, "<script>alert(1)</script>": 10**400, "b": 9},
    "unique_fact_hashes": ["x" * 5000, "<img src=x onerror=alert(1)>"],
    "contributing_agents": 7,
    "last_updated": "\u202e2026-02-01",
}


def with_peer(**values: Any) -> Workspace:
    workspace = make_workspace("mine")
    create_peer(workspace, "other", {"url": URL, "token": TOKEN} | values, actor=ACTOR)
    return workspace


def test_an_admin_adds_a_peer() -> None:
    admin = member(make_workspace("mine"), "admin")
    more = {"folder": "notes", "shares_hashes": "on", "resend_days": "7", "schedule": "every 6h"}

    answer = admin.post(NEW, FORM | more, workspace="mine")

    peer = Peer.objects.get()
    assert answer.url == f"{PEER}?workspace=mine&name=other"
    assert (secret_box().decrypt(peer.url), secret_box().decrypt(peer.token)) == (URL, TOKEN)
    assert (peer.folder, peer.shares_hashes, peer.resend_days, peer.schedule) == ("notes/", True, 7, "every 6h")
    assert peer.next_run_at is not None
    assert "other is known now." in admin.text(PEER, **HERE)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Other Hub"}, "name"),
        ({"name": "taken"}, "name"),
        ({"url": ""}, "url"),
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://example.com/?a=b"}, "url"),
        ({"token": "sécret"}, "token"),
        ({"pushes": "", "pulls": ""}, "pushes"),
        ({"folder": "../up"}, "folder"),
        ({"resend_days": "0"}, "resend_days"),
        ({"schedule": "now and then"}, "schedule"),
        ({"schedule": "@daily", "timezone": "Moon/Sea"}, "timezone"),
    ],
)
def test_what_is_refused_is_told_at_the_field_and_secrets_are_not_repeated(
    changes: dict[str, str], field: str, settings: Any
) -> None:
    settings.MEMORYHUB_OUTBOUND_ALLOW = []
    workspace = make_workspace("mine")
    create_peer(workspace, "taken", {"url": "https://example.com"}, actor=ACTOR)
    form = {name: value for name, value in (FORM | changes).items() if value}

    answer = operator().post(NEW, form, workspace="mine")

    assert set(answer.context["form"].errors) == {field}
    assert TOKEN not in answer.content.decode()
    assert "mhp_secret" not in answer.content.decode()
    assert Peer.objects.count() == 1


def test_an_empty_address_and_token_keep_what_is_stored() -> None:
    with_peer()
    root = operator()
    before = Peer.objects.get()

    shown = root.text(EDIT, **HERE)
    root.post(EDIT, CHANGED | {"schedule": "@daily"}, **HERE)

    after = Peer.objects.get()
    assert "mhp_secret" not in shown
    assert TOKEN not in shown
    assert (after.url, after.token, after.schedule) == (before.url, before.token, "@daily")
    assert "other is changed." in root.text(PEER, **HERE)


def test_another_address_and_no_token_replace_what_is_stored() -> None:
    with_peer()
    Peer.objects.update(view=VIEW)

    operator().post(EDIT, CHANGED | {"url": "https://new.example.com", "forget_token": "on"}, **HERE)

    peer = Peer.objects.get()
    assert (shown_url(peer), peer.token, peer.view) == ("https://new.example.com", "", None)


def test_peers_are_listed_with_how_they_do() -> None:
    workspace = with_peer(pulls=False, schedule="every 6h")
    create_peer(workspace, "another", {"url": "https://a.example.com", "pushes": False}, actor=ACTOR)
    Peer.objects.filter(name="another").update(failing_since=timezone.now(), last_error="It said <b>no</b>.")
    root = operator()

    shown = root.get(PEERS, workspace="mine").context["rows"]
    text = root.text(PEERS, workspace="mine")

    assert [(row.peer.name, row.place, row.does) for row in shown] == [
        ("another", "https://a.example.com", "asked"),
        ("other", "https://hub.example.com/****", "told"),
    ]
    assert "It said &lt;b&gt;no&lt;/b&gt;." in text
    assert "mhp_secret" not in text


def test_the_view_that_a_peer_gave_is_shown_as_it_was_written() -> None:
    with_peer()
    Peer.objects.update(view=VIEW, pulled_at=timezone.now())

    answer = operator().get(PEER, **HERE)

    text = answer.content.decode()
    assert [topic for topic, _total in answer.context["topics"]] == ["<script>alert(1)</script>", "b", "a"]
    assert "1.0e+400" in text
    assert "<script>alert" not in text
    assert "<img src=x" not in text


def test_of_a_large_view_the_rest_is_counted() -> None:
    with_peer()
    counts = {f"t{number}": number for number in range(250)}
    view = VIEW | {"merged_topic_counts": counts, "unique_fact_hashes": [str(number) for number in range(1101)]}
    Peer.objects.update(view=view)

    text = operator().text(PEER, **HERE)

    assert "And 50 more with smaller totals." in text
    assert "And 1,001 more." in text


def test_an_address_that_no_key_opens_is_told() -> None:
    with_peer()
    Peer.objects.update(url="not encrypted")
    root = operator()

    assert "unreadable: its key is gone" in root.text(PEERS, workspace="mine")
    assert "unreadable: its key is gone" in root.text(PEER, **HERE)


def test_an_exchange_is_asked_for_and_followed() -> None:
    workspace = with_peer()
    admin = member(workspace, "admin")

    answer = admin.post(EXCHANGE, {}, **HERE)

    job = Job.objects.get(kind="federation.exchange")
    assert answer.url == f"{PEER}?workspace=mine&name=other"
    assert (job.subject, job.actor) == (str(Peer.objects.get().public_id), "user:staff")
    assert [work.title for work in admin.get(PEER, **HERE).context["work"]] == ["Exchanging with other"]
    assert f"/admin/jobs/job/{job.pk}/live/" in admin.text(PEER, **HERE)


def test_what_an_exchange_brings_and_how_it_fails_is_shown(settings: Any) -> None:
    settings.MEMORYHUB_OUTBOUND_ALLOW = ("127.0.0.1",)
    make_workspace("mine")
    root = operator()
    with FakeCoordinator() as other:
        other.answer = VIEW
        root.post(NEW, FORM | {"url": other.url}, workspace="mine")
        for status in (0, 401):
            other.status = status
            root.post(EXCHANGE, {}, **HERE)
            run_job(Job.objects.filter(kind="federation.exchange").latest("id").pk)

    text = root.text(PEER, **HERE)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert f"{other.url} answered 401" in text
    assert f"{other.url} answered 401" in root.text(PEERS, workspace="mine")


def test_an_exchange_is_not_asked_for_by_a_link() -> None:
    with_peer()

    assert operator().get(EXCHANGE, **HERE).status_code == 405
    assert not Job.objects.filter(kind="federation.exchange").exists()


def test_a_peer_is_removed_once_that_was_asked() -> None:
    admin = member(with_peer(), "admin")

    asked = admin.text(REMOVE, **HERE)
    was_there = Peer.objects.exists()
    answer = admin.post(REMOVE, YES, **HERE)

    assert "Remove other?" in asked
    assert was_there
    assert not Peer.objects.exists()
    assert answer.url == f"{PEERS}?workspace=mine"
    assert "other is removed." in admin.text(PEERS, workspace="mine")


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_others_read_peers_and_press_nothing(role: str) -> None:
    staff = member(with_peer(), role)

    texts = [staff.text(PEERS, workspace="mine"), staff.text(PEER, **HERE)]

    for button in (NEW, EDIT, EXCHANGE, REMOVE):
        assert all(button not in text for text in texts)
        with nothing_changes():
            assert staff.post(button, FORM | YES, **HERE).status_code == 404


def test_pages_cost_the_same_for_one_peer_and_for_many() -> None:
    workspace = with_peer()
    root = operator()
    for page in (PEERS, PEER):
        root.get(page, **HERE)
    with statements_sent() as for_one:
        root.get(PEERS, workspace="mine")
        root.get(PEER, **HERE)
    for number in range(30):
        create_peer(workspace, f"peer-{number}", {"url": URL}, actor=ACTOR)
    Peer.objects.update(view=VIEW)

    with statements_sent() as for_many:
        root.get(PEERS, workspace="mine")
        root.get(PEER, **HERE)

    assert (len(for_one), len(for_many)) == (10, 10)
