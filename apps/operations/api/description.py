"""What the description of the API says about all operations alike: HEAD, the workspace's slug, how refusals look."""

from collections.abc import Callable
from typing import Any

from apps.common.problem import CONTENT_TYPE, TYPE_PREFIX

Endpoint = tuple[str, str, str, Callable[..., Any]]

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "A refusal. Fields beside these belong to the code. Source: RFC 9457.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "description": f"`{TYPE_PREFIX}` and the code."},
        "title": {"type": "string", "description": "The same sentence for each refusal with this code."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "A sentence for a person."},
        "code": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$", "description": "Stable: for programs to act on."},
        "instance": {"type": "string", "description": "The address; never with 401, 403 and 404."},
        "request_id": {"type": "string", "description": "As in the hub's log; never with 401, 403 and 404."},
        "errors": {
            "type": "array",
            "description": "With the code `invalid`: which values.",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("field", "code", "detail")},
            },
        },
    },
}
PROBLEM_RESPONSE: dict[str, Any] = {
    "description": "A refusal",
    "content": {
        CONTENT_TYPE: {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "examples": {
                "NoToken": {
                    "summary": "No token",
                    "value": {
                        "type": f"{TYPE_PREFIX}unauthorized",
                        "title": "A valid token is needed",
                        "status": 401,
                        "detail": "A valid token is needed",
                        "code": "unauthorized",
                    },
                }
            },
        }
    },
}
SLUG_SCHEMA = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"}
METHODS = frozenset({"get", "head", "put", "post", "patch", "delete"})


def with_head(endpoints: list[Endpoint]) -> list[Endpoint]:
    """drf-spectacular leaves every HEAD out. Views that have one of their own describe it."""
    heads = [
        (path, expression, "HEAD", view)
        for path, expression, method, view in endpoints
        if method == "GET" and hasattr(view.cls, "head")  # type: ignore[attr-defined] # DRF hangs it on the view
    ]
    return endpoints + heads


def with_refusals(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Each operation's refusals as the one shared component, and an example of the slug in each address."""
    components = result["components"]
    components["schemas"] = {"Problem": PROBLEM_SCHEMA, **components.get("schemas", {})}
    components["responses"] = {"Problem": PROBLEM_RESPONSE}
    for path in result["paths"].values():
        for method in METHODS & path.keys():
            operation = path[method]
            operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
            for parameter in operation.get("parameters", []):
                if (parameter["in"], parameter["name"]) == ("path", "slug"):
                    parameter |= {"schema": SLUG_SCHEMA, "examples": {"Default": {"value": "default"}}}
    return result
