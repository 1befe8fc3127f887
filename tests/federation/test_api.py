"""Federation below the workspace's own address."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.test import Client

from apps.accounts.models import AuditEvent
from apps.federation.actions import configure_federation, push_summary
from apps.federation.models import Agent
from apps.federation.models import Summary as SummaryRow
from apps.federation.queries import spent_epsilon
from apps.federation.summaries import MOST_LABELS, MOST_TOPICS
from apps.workspaces.models import Workspace
from tests.dialects.memory_proxy.proxy import client_at
from tests.factories import ACTOR, make_member, make_token, make_workspace
from tests.federation.test_merging import DAY, OWNERS, summary

SENT: dict[str, Any] = {
    "agent_id": "agent-1",
    "timestamp": "2026-02-01T12:00:00Z",
    "topic_counts": {"cooking": 3},
    "fact_hashes": ["a" * 64, "User prefs"],
}

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return make_workspace()


@pytest.fixture
def api(workspace: Workspace) -> httpx.Client:
    """As an editor."""
    return client_at(f"/api/v1/workspaces/{workspace.slug}", make_token(workspace))


def as_admin(workspace: Workspace) -> httpx.Client:
    return client_at(
        f"/api/v1/workspaces/{workspace.slug}", make_token(workspace, "workspace:admin", "federation:read")
    )


def test_a_push_is_taken_in_once_and_warns_of_labels_in_clear(api: httpx.Client, workspace: Workspace) -> None:
    first, again = api.post("/summaries", json=SENT), api.post("/summaries", json=SENT)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() | {"is_new": True}
    assert first.json()["clear_labels"] == 1
    assert SummaryRow.objects.filter(agent__workspace=workspace).count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"timestamp": "noon"}, "timestamp"),
        ({"agent_id": ""}, "agent_id"),
        ({"agent_id": "a" * 201}, "agent_id"),
        ({"topic_counts": []}, "topic_counts"),
        ({"topic_counts": {"a": "3"}}, "topic_counts"),
        ({"topic_counts": {"a": True}}, "topic_counts"),
        ({"topic_counts": {"a": 2**63}}, "topic_counts.a"),
        ({"topic_counts": {str(number): 1 for number in range(MOST_TOPICS + 1)}}, "topic_counts"),
        ({"fact_hashes": [1]}, "fact_hashes"),
        ({"fact_hashes": ["x"] * (MOST_LABELS + 1)}, "fact_hashes"),
        ({"fact_hashes": ["ok", "x" * 501]}, "fact_hashes.1"),
        ({"metadata": {"text": "x" * 70_000}}, "metadata"),
        ({"memory_types": []}, ""),
        ({"metadata": {"text": "\0"}}, "metadata"),
    ],
)
def test_a_bad_summary_is_refused_by_its_field_and_changes_nothing(
    api: httpx.Client, workspace: Workspace, changes: dict[str, Any], field: str
) -> None:
    answer = api.post("/summaries", json=SENT | changes)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert not Agent.objects.filter(workspace=workspace).exists()


def test_pushes_are_limited_by_token(api: httpx.Client, settings: Any) -> None:
    settings.MEMORYHUB_RATE_LIMIT_PUSH = "2/m"
    codes = [api.post("/summaries", json=SENT).status_code for _ in range(3)]

    assert codes == [201, 200, 429]


def test_agents_are_listed_by_what_they_know_and_told_in_full(api: httpx.Client) -> None:
    api.post("/summaries", json=SENT)
    api.post("/summaries", json=SENT | {"agent_id": "agent-2", "topic_counts": {"travel": 1}})

    names = [agent["agent_id"] for agent in api.get("/agents").json()["items"]]
    cooks = api.get("/agents", params={"topic": "cooking"}).json()["items"]
    cook = api.get(f"/agents/{cooks[0]['id']}").json()

    assert names == ["agent-2", "agent-1"]
    assert [agent["agent_id"] for agent in cooks] == ["agent-1"]
    assert (cook["topic_counts"], cook["fact_hashes"]) == (SENT["topic_counts"], sorted(SENT["fact_hashes"]))


def test_an_owner_that_is_a_user_goes_by_its_name(workspace: Workspace, api: httpx.Client) -> None:
    rosa = make_member(workspace, "editor", "rosa")
    client_at(f"/api/v1/workspaces/{workspace.slug}", make_token(workspace, "federation:push", user=rosa)).post(
        "/summaries", json=SENT
    )

    (agent,) = api.get("/agents").json()["items"]
    api.delete(f"/agents/{agent['id']}")

    assert agent["owner"] == "user:rosa"
    assert AuditEvent.objects.get(workspace_id=workspace.pk, action="agent.withdrawn").details["owner"] == "user:rosa"


def test_a_withdrawn_agent_is_gone_with_all_that_it_pushed(api: httpx.Client, workspace: Workspace) -> None:
    api.post("/summaries", json=SENT)
    (agent,) = api.get("/agents").json()["items"]

    assert api.delete(f"/agents/{agent['id']}").status_code == 204

    assert api.get("/summaries").json()["items"] == []
    assert api.get("/federation/topics").json()["items"] == []
    assert api.delete(f"/agents/{agent['id']}").status_code == 404
    assert AuditEvent.objects.filter(workspace_id=workspace.pk, action="agent.withdrawn").count() == 1


def test_summaries_of_one_agent_are_listed_newest_first(api: httpx.Client) -> None:
    for minute in range(3):
        api.post("/summaries", json=SENT | {"timestamp": f"2026-02-01T12:0{minute}:00Z"})
    api.post("/summaries", json=SENT | {"agent_id": "agent-2"})
    agent = api.get("/agents").json()["items"][1]["id"]

    first = api.get("/summaries", params={"agent": agent, "limit": 2}).json()
    rest = api.get("/summaries", params={"agent": agent, "cursor": first["next_cursor"]}).json()

    assert [each["timestamp"][14:16] for each in first["items"] + rest["items"]] == ["02", "01", "00"]
    assert api.get("/summaries", params={"agent": "nobody"}).status_code == 422


def test_topics_and_labels_come_in_pages_and_not_again_while_they_are_the_same(api: httpx.Client) -> None:
    topics = {f"topic-{number:02}": number for number in range(5)}
    api.post("/summaries", json=SENT | {"topic_counts": topics, "fact_hashes": ["c", "a", "b"]})

    first = api.get("/federation/topics", params={"limit": 3})
    rest = api.get("/federation/topics", params={"cursor": first.json()["next_cursor"]})
    same = api.get("/federation/topics", headers={"If-None-Match": first.headers["ETag"]})
    labels = api.get("/federation/labels").json()["items"]

    assert {each["topic"]: each["count"] for each in first.json()["items"] + rest.json()["items"]} == topics
    assert (same.status_code, same.content) == (304, b"")
    assert [label["label"] for label in labels] == ["a", "b", "c"]

    api.post("/summaries", json=SENT | {"agent_id": "agent-2"})
    assert api.get("/federation/topics", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_pages_hide_what_too_few_agents_sent(api: httpx.Client, workspace: Workspace) -> None:
    for owner, topics in zip(OWNERS, ({"a": 1, "b": 2}, {"a": 3}), strict=True):
        push_summary(workspace, summary(topics=topics, labels=list(topics)), actor=owner)
    configure_federation(workspace, {"min_agents": 2}, actor=ACTOR)

    assert api.get("/federation/topics").json()["items"] == [{"topic": "a", "count": 4, "agents": 2}]
    assert api.get("/federation/labels").json()["items"] == [{"label": "a", "agents": 2}]


def test_pages_show_the_counts_that_were_published_with_noise(api: httpx.Client, workspace: Workspace) -> None:
    push_summary(workspace, summary(topics={"a": 1, "b": 1}, labels=["x"]), actor=ACTOR)
    configure_federation(workspace, {"noise_epsilon": 0.5}, actor=ACTOR)

    first = api.get("/federation/topics").json()["items"]
    push_summary(workspace, summary(at=DAY + timedelta(hours=1), topics={"b": 1, "c": 1}, labels=["x"]), actor=ACTOR)
    second = api.get("/federation/topics").json()["items"]

    assert [(each["topic"], each["agents"]) for each in first] == [("a", None), ("b", None)]
    assert api.get("/federation/labels").json()["items"] == [{"label": "x", "agents": None}]
    # Of what came since nothing shows, and of what went nothing stays.
    assert second == [each for each in first if each["topic"] == "b"]
    assert spent_epsilon(workspace.pk) == 0.5


def test_how_it_merges_is_changed_by_admins_and_checked(api: httpx.Client, workspace: Workspace) -> None:
    admin = as_admin(workspace)

    assert api.patch("/federation", json={"mode": "sum"}).status_code == 403
    changed = admin.patch("/federation", json={"mode": "sum", "expire_days": 30, "noise_epsilon": 0.1})
    refused = admin.patch("/federation", json={"noise_epsilon": 1e-300, "min_agents": 0})

    assert changed.json().items() >= {"mode": "sum", "expire_days": 30, "noise_epsilon": 0.1}.items()
    assert refused.status_code == 422
    assert {each["field"] for each in refused.json()["errors"]} == {"noise_epsilon", "min_agents"}
    assert api.get("/federation").json()["min_agents"] == 1


def test_only_owners_reset_and_only_when_they_say_so(api: httpx.Client, workspace: Workspace) -> None:
    api.post("/summaries", json=SENT)
    editor = client_at(
        f"/api/v1/workspaces/{workspace.slug}",
        make_token(workspace, "federation:write", user=make_member(workspace, "editor")),
    )

    assert editor.post("/federation:reset", json={"confirm": True}).json()["code"] == "scope_missing"
    assert api.post("/federation:reset", json={}).json()["code"] == "confirm_required"
    assert Agent.objects.filter(workspace=workspace).count() == 1

    assert api.post("/federation:reset", json={"confirm": True}).status_code == 200
    assert Agent.objects.filter(workspace=workspace).count() == 0


def test_a_change_of_nothing_leaves_no_trace(workspace: Workspace) -> None:
    admin = as_admin(workspace)
    before = admin.get("/federation").json()

    assert admin.patch("/federation", json={}).json() == before
    assert not AuditEvent.objects.filter(workspace_id=workspace.pk, action="federation.configured").exists()


def test_a_text_that_only_looks_like_the_null_character_is_kept(api: httpx.Client) -> None:
    assert api.post("/summaries", json=SENT | {"metadata": {"path": r"C:\u0000"}}).status_code == 201


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN"])
def test_a_number_that_is_none_is_refused(api: httpx.Client, number: str) -> None:
    body = json.dumps(SENT | {"metadata": {"a": "number"}}).replace('"number"', number)

    answer = api.post("/summaries", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_json")


@pytest.mark.parametrize(
    "query", ["", "since=2026-02-01", "since=noon&until=2026-02-01", "since=2026-02-02&until=2026-02-01"]
)
def test_changes_between_no_moments_are_refused(api: httpx.Client, query: str) -> None:
    assert api.get(f"/federation/changes?{query}").status_code == 422


def test_peers_show_neither_token_nor_path(workspace: Workspace) -> None:
    admin = as_admin(workspace)
    made = admin.post(
        "/federation/peers",
        json={"name": "stock", "url": "https://hub.example.org/t/mhp_hidden", "token": "mh_hidden"},
    )

    assert made.status_code == 201
    for text in (made.text, admin.get("/federation/peers").text, admin.get("/federation/peers/stock").text):
        assert "hidden" not in text
    assert admin.post("/federation/peers", json={"name": "stock", "url": "https://x.example.org"}).status_code == 409
    blocked = admin.patch("/federation/peers/stock", json={"url": "http://127.0.0.1/"})
    assert blocked.json()["code"] == "url_blocked"


def test_a_path_token_opens_nothing_here(workspace: Workspace, client: Client) -> None:
    token = make_token(workspace, kind="path")
    for path in ("agents", "summaries", "federation", "federation/topics"):
        answer = client.get(f"/api/v1/workspaces/{workspace.slug}/{path}", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
