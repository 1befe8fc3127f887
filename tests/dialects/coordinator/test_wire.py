"""The coordinator's bodies and statuses, byte by byte where clients or its documents name them."""

from datetime import datetime
from typing import Any

import pytest

from apps.federation.models import Agent, Label, Summary, Topic
from tests.dialects.coordinator.service import SENT, Coordinator
from tests.dialects.memory_proxy.proxy import client_at
from tests.factories import make_token, make_workspace

BAD_TIME = {"detail": "Invalid timestamp format (expected ISO 8601)"}


def unchanged() -> bool:
    return not any(model.objects.exists() for model in (Agent, Summary, Topic, Label))


def is_now(text: str) -> bool:
    moment = datetime.fromisoformat(text)
    return moment.utcoffset() is not None and text.endswith("+00:00")


def test_an_empty_store_answers_as_the_original(coordinator: Coordinator) -> None:
    answer = coordinator.pull()

    body = answer.json()
    assert answer.status_code == 200
    assert is_now(body.pop("last_updated"))
    assert body == {
        "merged_topic_counts": {},
        "unique_fact_hashes": [],
        "contributing_agents": 0,
        "metadata": None,
    }


def test_a_push_is_accepted_with_200_and_pulled(coordinator: Coordinator) -> None:
    answer = coordinator.push()

    body = answer.json()
    assert answer.status_code == 200
    assert is_now(body.pop("timestamp"))
    assert body == {
        "status": "accepted",
        "agent_id": SENT["agent_id"],
        "message": "Summary from agent-9759e65b3a62ebae stored successfully",
    }
    assert coordinator.pull().json() == {
        "merged_topic_counts": {"episodic": 3, "semantic": 2},
        "unique_fact_hashes": ["Day two", "secret-project-x", "untitled"],
        "contributing_agents": 1,
        "last_updated": "2026-02-01T12:00:00Z",
        "metadata": {"total_facts": 3, "total_topics": 2},
    }


def test_a_retry_gets_the_same_answer_and_adds_nothing(coordinator: Coordinator) -> None:
    first = coordinator.push()
    pulled = coordinator.pull()

    assert coordinator.push().content == first.content
    assert coordinator.pull().content == pulled.content
    assert Summary.objects.count() == 1


def test_an_unchanged_view_is_told_without_its_body(coordinator: Coordinator) -> None:
    coordinator.push()
    tag = coordinator.pull().headers["ETag"]

    again = coordinator.http.get("/pull", headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)

    coordinator.push(timestamp="2026-02-02T12:00:00Z")
    newer = coordinator.http.get("/pull", headers={"If-None-Match": tag})
    assert (newer.status_code, newer.headers["ETag"] != tag) == (200, True)


@pytest.mark.parametrize(
    "time",
    [
        "2026-02-01T12:00:00Z",
        "2026-02-01T12:00:00.123456+05:30",
        "2026-02-01T12:00:00",
        "2026-02-01",
        "20260201T120000Z",
        "2026-W05-1",
    ],
)
def test_every_form_of_time_that_the_original_takes_is_taken(coordinator: Coordinator, time: str) -> None:
    assert coordinator.push(timestamp=time).status_code == 200
    assert coordinator.pull().json()["last_updated"] == time


@pytest.mark.parametrize("time", ["", "now", "2026-13-01", "0001-01-01T00:00:00+23:59"])
def test_a_time_that_does_not_parse_is_400(coordinator: Coordinator, time: str) -> None:
    answer = coordinator.push(timestamp=time)

    assert (answer.status_code, answer.json()) == (400, BAD_TIME)
    assert unchanged()


@pytest.mark.parametrize(
    ("counts", "kept"),
    [({"a": "7"}, 7), ({"a": 2.0}, 2), ({"a": True}, 1), ({"a": -3}, -3), ({"a": " 1_000 "}, 1000), ({"a": "7.0"}, 7)],
)
def test_counts_are_read_as_laxly_as_by_the_original(coordinator: Coordinator, counts: Any, kept: int) -> None:
    assert coordinator.push(topic_counts=counts).status_code == 200
    assert coordinator.pull().json()["merged_topic_counts"] == {"a": kept}


def test_counts_of_64_bits_add_up_beyond_them(coordinator: Coordinator) -> None:
    coordinator.push(agent_id="a", topic_counts={"t": 2**63 - 1})
    coordinator.push(agent_id="b", topic_counts={"t": 2**63 - 1})

    assert coordinator.pull().json()["merged_topic_counts"] == {"t": 2**64 - 2}


@pytest.mark.parametrize(
    ("changes", "kind", "loc"),
    [
        ({"agent_id": 5}, "string_type", ["agent_id"]),
        ({"timestamp": None}, "string_type", ["timestamp"]),
        ({"topic_counts": None}, "dict_type", ["topic_counts"]),
        ({"topic_counts": [1]}, "dict_type", ["topic_counts"]),
        ({"topic_counts": {"a.b": 2.5}}, "int_from_float", ["topic_counts", "a.b"]),
        ({"topic_counts": {"a": "x"}}, "int_parsing", ["topic_counts", "a"]),
        ({"topic_counts": {"a": None}}, "int_type", ["topic_counts", "a"]),
        ({"topic_counts": {"a.b": 2**63}}, "out_of_range", ["topic_counts", "a.b"]),
        ({"topic_counts": {"a": "9" * 5000}}, "out_of_range", ["topic_counts", "a"]),
        ({"fact_hashes": None}, "list_type", ["fact_hashes"]),
        ({"fact_hashes": ["x", 1]}, "string_type", ["fact_hashes", 1]),
        ({"fact_hashes": ["x" * 501]}, "too_long", ["fact_hashes", 0]),
        ({"fact_hashes": ["x\x00"]}, "null_character", ["fact_hashes", 0]),
        ({"fact_hashes": [f"{number}" for number in range(100_001)]}, "too_many", ["fact_hashes"]),
        ({"topic_counts": {f"{number}": 1 for number in range(10_001)}}, "too_many", ["topic_counts"]),
        ({"agent_id": "x" * 201}, "too_long", ["agent_id"]),
        ({"timestamp": "2026-02-01\x00"}, "null_character", ["timestamp"]),
        ({"metadata": 5}, "dict_type", ["metadata"]),
        ({"metadata": {"x": "y" * 70_000}}, "too_long", ["metadata"]),
        ({"metadata": {"x": "\x00"}}, "null_character", ["metadata"]),
    ],
)
def test_a_value_that_cannot_be_is_422_by_its_place(
    coordinator: Coordinator, changes: dict[str, Any], kind: str, loc: list[str | int]
) -> None:
    answer = coordinator.push(**changes)

    (found,) = answer.json()["detail"]
    assert answer.status_code == 422
    assert (found["type"], found["loc"]) == (kind, ["body", "summary", *loc])
    assert {"msg", "input"} <= found.keys()
    assert unchanged()


@pytest.mark.parametrize("name", ["agent_id", "timestamp"])
def test_a_missing_field_is_422_in_the_originals_words(coordinator: Coordinator, name: str) -> None:
    sent = {key: value for key, value in SENT.items() if key != name}

    answer = coordinator.push(sent)

    assert answer.status_code == 422
    assert answer.json() == {
        "detail": [{"type": "missing", "loc": ["body", "summary", name], "msg": "Field required", "input": sent}]
    }


@pytest.mark.parametrize(
    ("body", "kind", "loc"),
    [
        (b"{", "json_invalid", ["body", 0]),
        (b"[]", "model_attributes_type", ["body"]),
        (b"{}", "missing", ["body", "summary"]),
        (b'{"summary": []}', "model_attributes_type", ["body", "summary"]),
        (b'{"summary": {"agent_id": "\\ud800"}}', "json_invalid", ["body", 0]),
        (b"", "missing", ["body"]),
    ],
)
def test_a_body_that_is_none_is_422(coordinator: Coordinator, body: bytes, kind: str, loc: list[str | int]) -> None:
    answer = coordinator.http.post("/push", content=body, headers={"Content-Type": "application/json"})

    (found,) = answer.json()["detail"]
    assert (answer.status_code, found["type"], found["loc"]) == (422, kind, loc)
    assert unchanged()


def test_another_content_type_is_422_and_json_with_a_charset_is_taken(coordinator: Coordinator) -> None:
    form = coordinator.http.post("/push", data={"summary": "x"})
    text = b'{"summary": {"agent_id": "", "timestamp": "2026-02-01"}}'
    plain = coordinator.http.post("/push", content=text, headers={"Content-Type": "application/json; charset=utf-8"})

    assert (form.status_code, form.json()["detail"][0]["type"]) == (422, "model_attributes_type")
    assert (plain.status_code, plain.json()["agent_id"]) == (200, "")


def test_unknown_keys_are_dropped_and_metadata_is_kept(coordinator: Coordinator) -> None:
    assert coordinator.push(memory_types=["episodic"], metadata={"version": "0.2.1"}).status_code == 200
    assert Summary.objects.get().metadata == {"version": "0.2.1"}


def test_the_banner_counts_for_who_may_pull_and_tells_strangers_nothing(coordinator: Coordinator) -> None:
    coordinator.push()

    known = coordinator.http.get("/").json()
    strangers = [coordinator.as_stranger(), client_at("/w/there-is-none/coordinator", None)]
    told = [client.get("/").json() for client in strangers]

    assert (known["total_pushes"], known["total_agents"]) == (1, 1)
    assert known["service"] == "agmem-coordinator"
    assert known["endpoints"] == {"push": "POST /push", "pull": "GET /pull", "health": "GET /health"}
    assert told[0] == told[1]
    assert (told[0]["status"], told[0]["total_pushes"]) == ("running", 0)


def test_health_is_open(coordinator: Coordinator) -> None:
    answer = coordinator.as_stranger().get("/health")

    assert (answer.status_code, answer.json()["status"]) == (200, "healthy")
    assert is_now(answer.json()["timestamp"])


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/push", "POST"),
        ("HEAD", "/push", "POST"),
        ("HEAD", "/pull", "GET"),
        ("HEAD", "/", "GET"),
        ("POST", "/pull", "GET"),
        ("POST", "/health", "GET"),
    ],
)
def test_a_wrong_method_is_405(coordinator: Coordinator, method: str, path: str, allow: str) -> None:
    answer = coordinator.http.request(method, path)

    assert answer.status_code == 405
    assert allow in answer.headers["Allow"]
    if method != "HEAD":
        assert answer.json() == {"detail": "Method Not Allowed"}


@pytest.mark.parametrize("path", ["/nothing", "/push/more", "/admin"])
def test_an_unknown_path_is_404(coordinator: Coordinator, path: str) -> None:
    answer = coordinator.http.get(path)

    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


def test_a_slash_at_the_end_is_no_redirect(coordinator: Coordinator) -> None:
    pushed = coordinator.http.post("/push/", json={"summary": SENT})

    assert pushed.status_code == 200
    assert coordinator.http.get("/pull/").json()["contributing_agents"] == 1


def test_a_reset_is_the_owners_and_confirmed(coordinator: Coordinator) -> None:
    coordinator.push()
    admin = coordinator.as_stranger(make_token(coordinator.workspace, "federation:write", "federation:pull"))

    unconfirmed = admin.delete("/admin/reset")
    assert unconfirmed.status_code == 400
    assert coordinator.pull().json()["contributing_agents"] == 1

    done = admin.delete("/admin/reset?confirm=true")
    assert (done.status_code, done.json()["status"]) == (200, "reset")
    assert unchanged()


def test_workspaces_know_nothing_of_each_other(coordinator: Coordinator) -> None:
    coordinator.push()
    other = make_workspace()
    elsewhere = client_at(f"/w/{other.slug}/coordinator", make_token(other))

    assert elsewhere.get("/pull").json()["contributing_agents"] == 0
    stranger = client_at(f"/w/{other.slug}/coordinator", coordinator.token)
    missing = client_at("/w/there-is-none/coordinator", coordinator.token)
    assert stranger.get("/pull").status_code == missing.get("/pull").status_code == 404
    assert stranger.get("/pull").content == missing.get("/pull").content


def test_at_the_root_of_a_host(coordinator: Coordinator) -> None:
    at_root = client_at("", coordinator.token, root_dialect=f"coordinator:{coordinator.workspace.slug}")

    assert at_root.post("/push", json={"summary": SENT}).status_code == 200
    assert at_root.get("/pull").json()["contributing_agents"] == 1
