"""The coordinator's own OpenAPI document, the same for every workspace. Addresses in it are relative to its own."""

from functools import cache
from typing import Any

from apps.federation.summaries import (
    GREATEST_COUNT,
    LEAST_COUNT,
    LONGEST_LABEL,
    LONGEST_NAME,
    LONGEST_TOPIC,
    MOST_BYTES,
    MOST_LABELS,
    MOST_TOPICS,
)
from apps.operations.version import hub_version

Part = dict[str, Any]

TITLE = "agmem-coordinator"
ABOUT = (
    "Agents push what they know about (topics with counts, labels), and pull what all of them know about together. "
    "A client that can send no header puts a path token into the address, `/t/{token}/push`. A request that is refused "
    "before the coordinator sees it (its Host, its length, plain http) gets `application/problem+json`."
)
MOMENT = "2026-02-01T12:00:00.000000+00:00"
RETRY_AFTER = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
CHALLENGE = {"description": "How to show a token.", "schema": {"const": "Bearer"}}


def _object(required: Part, optional: Part | None = None) -> Part:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


TEXT: Part = {"type": "string"}
TIME: Part = {"type": "string", "format": "date-time"}
WHOLE: Part = {"type": "integer", "minimum": 0}

SCHEMAS: Part = {
    "Summary": _object(
        {
            "agent_id": {**TEXT, "maxLength": LONGEST_NAME, "description": "The agent's name; may be empty."},
            "timestamp": {**TEXT, "maxLength": LONGEST_NAME, "description": "ISO 8601, in any form that Python reads."},
        },
        {
            "topic_counts": {
                "type": "object",
                "description": "A count may also come as text, as a float without a fraction, or as true and false.",
                "maxProperties": MOST_TOPICS,
                "propertyNames": {"maxLength": LONGEST_TOPIC},
                "additionalProperties": {"type": "integer", "minimum": LEAST_COUNT, "maximum": GREATEST_COUNT},
                "default": {},
            },
            "fact_hashes": {
                "type": "array",
                "description": "Labels, hashed or in clear.",
                "maxItems": MOST_LABELS,
                "items": {**TEXT, "maxLength": LONGEST_LABEL},
                "default": [],
            },
            "metadata": {"type": ["object", "null"], "description": "Kept, and never shown.", "default": None},
        },
    ),
    "Push": _object({"summary": {"$ref": "#/components/schemas/Summary"}}),
    "Accepted": _object({"status": {"const": "accepted"}, "agent_id": TEXT, "timestamp": TIME, "message": TEXT}),
    "Merged": _object(
        {
            "merged_topic_counts": {"type": "object", "additionalProperties": {"type": "integer"}},
            "unique_fact_hashes": {"type": "array", "items": TEXT, "uniqueItems": True},
            "contributing_agents": WHOLE,
            "last_updated": {**TEXT, "description": "The latest time, as its agent wrote it; of nothing it is now."},
            "metadata": {
                **_object({"total_facts": WHOLE, "total_topics": WHOLE}),
                "type": ["object", "null"],
                "description": "Null until something was pushed.",
            },
        }
    ),
    "Banner": _object(
        {
            "service": {"const": TITLE},
            "version": TEXT,
            "status": {"const": "running"},
            "endpoints": {"type": "object", "additionalProperties": TEXT},
            "started_at": TIME,
            "total_pushes": WHOLE,
            "total_agents": WHOLE,
        }
    ),
    "Health": _object({"status": {"enum": ["healthy", "unhealthy"]}, "timestamp": TIME}),
    "Reset": _object({"status": {"const": "reset"}, "timestamp": TIME}),
    "Refusal": _object({"detail": TEXT}),
    "Invalid": _object(
        {
            "detail": {
                "type": "array",
                "minItems": 1,
                "items": _object(
                    {
                        "type": TEXT,
                        "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                        "msg": TEXT,
                        "input": {"description": "What was sent there."},
                    },
                    {"ctx": {"type": "object"}},
                ),
            }
        }
    ),
}


def _answer(description: str, schema: str, example: Part, **headers: Part) -> Part:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}}
    named = {name.replace("_", "-"): header for name, header in headers.items()}
    return {"description": description, "content": content} | ({"headers": named} if named else {})


def _refusal(description: str, detail: str, **headers: Part) -> Part:
    return _answer(description, "Refusal", {"detail": detail}, **headers)


def _access(scope: str) -> Part:
    """The refusals of whatever asks for a token."""
    away = "A service that this needs is away for the moment"
    return {
        "401": _refusal("No token, or none that is good.", "Invalid or missing token", WWW_Authenticate=CHALLENGE),
        "403": _refusal("The token may not do this.", f"This needs the scope {scope}."),
        "404": _refusal("The token opens no such workspace.", "Not Found"),
        "429": _refusal("Too many requests.", "Too many requests", Retry_After=RETRY_AFTER),
        "503": _refusal("The database is away or busy.", away, Retry_After=RETRY_AFTER),
    }


MISSING = {"type": "missing", "loc": ["body", "summary"], "msg": "Field required", "input": {}}
PUSH_REFUSALS: Part = _access("federation:push") | {
    "400": _refusal("The time does not parse.", "Invalid timestamp format (expected ISO 8601)"),
    "413": _refusal("The body is too large.", f"A summary has at most {MOST_BYTES} bytes."),
    "422": _answer("A field is missing, of another kind, or over its limit.", "Invalid", {"detail": [MISSING]}),
}
SUMMARY = {
    "agent_id": "agent-9759e65b3a62ebae",
    "timestamp": "2026-02-01T12:00:00Z",
    "topic_counts": {"episodic": 3, "semantic": 2},
    "fact_hashes": ["Day two", "untitled"],
}
ACCEPTED = {
    "status": "accepted",
    "agent_id": SUMMARY["agent_id"],
    "timestamp": MOMENT,
    "message": "Summary from agent-9759e65b3a62ebae stored successfully",
}
MERGED = {
    "merged_topic_counts": {"episodic": 3, "semantic": 2},
    "unique_fact_hashes": ["Day two", "untitled"],
    "contributing_agents": 1,
    "last_updated": "2026-02-01T12:00:00Z",
    "metadata": {"total_facts": 2, "total_topics": 2},
}
TAG = {"description": "Equal for equal views.", "schema": TEXT}
PUSH: Part = {
    "summary": "Take a summary in",
    "description": "The newest summary of each agent counts. The same one once more adds nothing. Ten a minute.",
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Push"}, "example": {"summary": SUMMARY}}
        },
    },
    "responses": {"200": _answer("It is kept.", "Accepted", ACCEPTED)} | PUSH_REFUSALS,
}
PULL: Part = {
    "summary": "What all agents know about",
    "parameters": [{"name": "If-None-Match", "in": "header", "description": "An ETag.", "schema": TEXT}],
    "responses": {
        "200": _answer("The merged view.", "Merged", MERGED, ETag=TAG),
        "304": {"description": "The view is the one of that ETag.", "headers": {"ETag": TAG}},
    }
    | _access("federation:pull"),
}
CONFIRM = {"name": "confirm", "in": "query", "required": True, "schema": {"const": "true"}}
RESET: Part = {
    "summary": "Take everything out, for owners",
    "parameters": [CONFIRM],
    "responses": {
        "200": _answer("Nothing is left.", "Reset", {"status": "reset", "timestamp": MOMENT}),
        "400": _refusal("It was not confirmed.", "This takes out all that was ever pushed: add ?confirm=true."),
    }
    | _access("federation:write"),
}
HEALTH: Part = {
    "summary": "Whether database and storage answer",
    "security": [],
    "responses": {
        "200": _answer("Both do.", "Health", {"status": "healthy", "timestamp": MOMENT}),
        "503": _answer("One does not.", "Health", {"status": "unhealthy", "timestamp": MOMENT}),
    },
}


def _banner() -> Part:
    known = {
        "service": TITLE,
        "version": hub_version(),
        "status": "running",
        "endpoints": {"push": "POST /push", "pull": "GET /pull", "health": "GET /health"},
        "started_at": MOMENT,
        "total_pushes": 1,
        "total_agents": 1,
    }
    return {
        "summary": "Who this is",
        "description": "With a token also how many pushes and agents there are; without one, 0.",
        "security": [{}, {"token": []}],
        "responses": {"200": _answer("It runs.", "Banner", known)} | _access("federation:pull"),
    }


def _by_path(operation: Part, name: str) -> Part:
    summary = f"{operation['summary']}, with the token in the address"
    token = {"name": "token", "in": "path", "required": True, "description": "`mhp_...`", "schema": TEXT}
    parameters = [token, *operation.get("parameters", [])]
    return operation | {"operationId": name, "summary": summary, "parameters": parameters, "security": []}


@cache
def document() -> Part:
    """The whole of it."""
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": hub_version(), "description": ABOUT},
        "servers": [{"url": "."}],
        "security": [{"token": []}],
        "paths": {
            "/": {"get": _banner() | {"operationId": "banner"}},
            "/health": {"get": HEALTH | {"operationId": "health"}},
            "/push": {"post": PUSH | {"operationId": "push"}},
            "/pull": {"get": PULL | {"operationId": "pull"}},
            "/t/{token}/push": {"post": _by_path(PUSH, "push_by_path")},
            "/t/{token}/pull": {"get": _by_path(PULL, "pull_by_path")},
            "/admin/reset": {"delete": RESET | {"operationId": "reset"}},
        },
        "components": {"schemas": SCHEMAS, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }
