"""The OpenAPI descriptions of the operations of federation, one example each. A test replays the examples."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from apps.common.openapi import IF_NONE_MATCH_READ, KEY, NOT_MODIFIED, answer, body, listing
from apps.federation.api.forms import FederationForm, NewPeerForm, PeerForm, ResetForm, SummaryForm

AT = "2026-01-05T09:30:00.000Z"
AGENT_ID = "019b8d84-6c43-7c21-9e3f-1d5b0a6e8c49"
JOB_ID = "019b8d84-6c40-7d3a-8f6e-2b1c5a9e4d70"
PEER_NAME = "harbour"
TOPIC = "user-preferences"
SUMMARY_SENT: dict[str, Any] = {
    "agent_id": "agent-9759e65b3a62ebae",
    "timestamp": "2026-01-05T09:29:58Z",
    "topic_counts": {"project-context": 3, TOPIC: 5},
    "fact_hashes": ["2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"],
    "metadata": {"version": "0.2.1"},
}
PUSHED_EXAMPLE: dict[str, Any] = {"is_new": True, "received_at": AT, "clear_labels": 0}
SUMMARY_EXAMPLE: dict[str, Any] = {
    "agent": AGENT_ID,
    "agent_id": SUMMARY_SENT["agent_id"],
    "received_at": AT,
    "timestamp": SUMMARY_SENT["timestamp"],
    "topics": 2,
    "labels": 1,
    "clear_labels": 0,
    "metadata": SUMMARY_SENT["metadata"],
}
AGENT_EXAMPLE: dict[str, Any] = {
    "id": AGENT_ID,
    "agent_id": SUMMARY_SENT["agent_id"],
    "owner": "token:0aB1cD2eF3gH",
    "pushes": 1,
    "first_seen_at": AT,
    "last_seen_at": AT,
    "newest_at": "2026-01-05T09:29:58.000Z",
}
FEDERATION_EXAMPLE: dict[str, Any] = {
    "agents": 1,
    "pushes": 1,
    "topics": 2,
    "labels": 1,
    "clear_labels": 0,
    "last_updated": "2026-01-05T09:29:58.000Z",
    "started_at": AT,
    "mode": "newest",
    "min_agents": 1,
    "hash_labels": False,
    "expire_days": None,
    "noise_epsilon": None,
    "noise_budget": 10.0,
    "noise_bound": 100,
    "noise_hours": 24,
    "noise_spent": 0.0,
    "published_at": None,
}
FEDERATION_CHANGES: dict[str, Any] = {"min_agents": 2, "hash_labels": True, "expire_days": 90}
CHANGES_EXAMPLE: dict[str, Any] = {
    "topics": [
        {"topic": "project-context", "was": {"count": 0, "agents": 0}, "now": {"count": 3, "agents": 1}},
        {"topic": TOPIC, "was": {"count": 0, "agents": 0}, "now": {"count": 5, "agents": 1}},
    ],
    "labels_came": SUMMARY_SENT["fact_hashes"],
    "labels_came_count": 1,
    "labels_went": [],
    "labels_went_count": 0,
}
PEER_SENT: dict[str, Any] = {
    "name": PEER_NAME,
    "url": "https://hub.example.org/w/default/coordinator",
    "token": "mh_<a token of the other hub>",
    "folder": "notes/",
    "schedule": "every 6h",
}
PEER_EXAMPLE: dict[str, Any] = {
    "name": PEER_NAME,
    "url": "https://hub.example.org/****",
    "has_token": True,
    "pushes": True,
    "pulls": True,
    "folder": "notes/",
    "shares_hashes": False,
    "resend_days": None,
    "schedule": "every 6h",
    "timezone": "UTC",
    "next_run_at": "2026-01-05T15:30:00.000Z",
    "created_at": AT,
    "pushed_at": None,
    "pulled_at": None,
    "failing_since": None,
    "last_error": "",
}

AGENT = OpenApiParameter(
    "agent_id", OpenApiTypes.UUID, OpenApiParameter.PATH, examples=[OpenApiExample("an agent", AGENT_ID)]
)
PEER = OpenApiParameter("name", str, OpenApiParameter.PATH, examples=[OpenApiExample("a peer", PEER_NAME)])


def _moment(name: str, value: str) -> OpenApiParameter:
    examples = [OpenApiExample("a moment", value)]
    return OpenApiParameter(name, OpenApiTypes.DATETIME, required=True, examples=examples, description="ISO 8601.")


def _pulled(operation_id: str, description: str, item: dict[str, Any]) -> dict[str, Any]:
    described = listing(operation_id, "federation", description, item, IF_NONE_MATCH_READ)
    return described | {"responses": described["responses"] | NOT_MODIFIED}


PUSH_SUMMARY: dict[str, Any] = {
    "operation_id": "summaries_push",
    "tags": ["federation"],
    "parameters": [KEY],
    "request": SummaryForm,
    "examples": body(SUMMARY_SENT),
    "responses": answer(201, "It is in the merged view", PUSHED_EXAMPLE)
    | answer(200, "It was there before", PUSHED_EXAMPLE | {"is_new": False}),
}
LIST_SUMMARIES = listing(
    "summaries_list",
    "federation",
    "Accepted pushes, newest first",
    SUMMARY_EXAMPLE,
    OpenApiParameter("agent", OpenApiTypes.UUID, description="Only this agent's."),
)
LIST_AGENTS = listing(
    "agents_list",
    "federation",
    "Agents, the latest to come first",
    AGENT_EXAMPLE,
    OpenApiParameter("topic", str, description="Only agents that know about this topic."),
)
READ_AGENT: dict[str, Any] = {
    "operation_id": "agents_read",
    "tags": ["federation"],
    "parameters": [AGENT],
    "responses": answer(
        200,
        "The agent",
        AGENT_EXAMPLE | {name: SUMMARY_SENT[name] for name in ("topic_counts", "fact_hashes")},
    ),
}
WITHDRAW_AGENT: dict[str, Any] = {
    "operation_id": "agents_withdraw",
    "tags": ["federation"],
    "parameters": [AGENT],
    "responses": {204: OpenApiResponse(description="Gone, with all that it pushed")},
}
READ_FEDERATION: dict[str, Any] = {
    "operation_id": "federation_read",
    "tags": ["federation"],
    "responses": answer(200, "How it stands", FEDERATION_EXAMPLE),
}
CHANGE_FEDERATION: dict[str, Any] = {
    "operation_id": "federation_update",
    "tags": ["federation"],
    "request": FederationForm,
    "examples": body(FEDERATION_CHANGES),
    "responses": answer(200, "How it stands after the change", FEDERATION_EXAMPLE | FEDERATION_CHANGES),
}
RESET_FEDERATION: dict[str, Any] = {
    "operation_id": "federation_reset",
    "tags": ["federation"],
    "request": ResetForm,
    "examples": body({"confirm": True}),
    "responses": answer(200, "From when on it counts again", {"reset_at": AT}),
}
LIST_TOPICS = _pulled("topics_list", "Topics, in order", {"topic": "project-context", "count": 3, "agents": 1})
LIST_LABELS = _pulled("labels_list", "Labels, in order", {"label": SUMMARY_SENT["fact_hashes"][0], "agents": 1})
READ_CHANGES: dict[str, Any] = {
    "operation_id": "federation_changes",
    "tags": ["federation"],
    "parameters": [_moment("since", "2026-01-04T00:00:00Z"), _moment("until", "2100-01-01T00:00:00Z")],
    "responses": answer(200, "What differs; at most 1,000 labels of either kind are named", CHANGES_EXAMPLE),
}
LIST_PEERS = listing("peers_list", "federation", "Peers, by name", PEER_EXAMPLE)
CREATE_PEER: dict[str, Any] = {
    "operation_id": "peers_create",
    "tags": ["federation"],
    "parameters": [KEY],
    "request": NewPeerForm,
    "examples": body(PEER_SENT),
    "responses": answer(201, "The peer", PEER_EXAMPLE),
}
READ_PEER: dict[str, Any] = {
    "operation_id": "peers_read",
    "tags": ["federation"],
    "parameters": [PEER],
    "responses": answer(200, "The peer; `view` is null until it has answered", PEER_EXAMPLE | {"view": None}),
}
CHANGE_PEER: dict[str, Any] = {
    "operation_id": "peers_update",
    "tags": ["federation"],
    "parameters": [PEER],
    "request": PeerForm,
    "examples": body({"schedule": "", "shares_hashes": True}),
    "responses": answer(
        200, "The peer after the change", PEER_EXAMPLE | {"schedule": "", "next_run_at": None, "shares_hashes": True}
    ),
}
DELETE_PEER: dict[str, Any] = {
    "operation_id": "peers_delete",
    "tags": ["federation"],
    "parameters": [PEER],
    "responses": {204: OpenApiResponse(description="Gone")},
}
EXCHANGE: dict[str, Any] = {
    "operation_id": "peers_exchange",
    "tags": ["federation"],
    "parameters": [PEER],
    "request": None,
    "responses": answer(202, "The job that does it", {"job": JOB_ID}),
}
