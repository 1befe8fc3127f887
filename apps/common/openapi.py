"""What the OpenAPI descriptions of several apps have in common."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

LIMIT = OpenApiParameter("limit", int, description="At most this many; 100 when not given, 1,000 at the most.")
CURSOR = OpenApiParameter("cursor", str, description="`next_cursor` of the page before.")
KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="A retry with the same key gets the same answer for 24 hours.",
)

IF_NONE_MATCH_READ = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="Entity tags known already: 304 when one is still right.",
    examples=[OpenApiExample("any", "*")],
)
NOT_MODIFIED = {304: OpenApiResponse(description="Still as the entity tag says")}


def answer(status: int, description: str, value: Any) -> dict[int, OpenApiResponse]:
    """A JSON answer with its example."""
    return {status: OpenApiResponse(OpenApiTypes.OBJECT, description, [OpenApiExample(description, value)])}


def listing(operation_id: str, tag: str, description: str, item: Any, *parameters: OpenApiParameter) -> dict[str, Any]:
    """The whole description of an operation that answers pages of items."""
    return {
        "operation_id": operation_id,
        "tags": [tag],
        "parameters": [*parameters, LIMIT, CURSOR],
        "responses": answer(200, description, {"items": [item], "next_cursor": None}),
    }


def body(value: Any) -> list[OpenApiExample]:
    """The example of a request's body."""
    return [OpenApiExample("the request", value, request_only=True)]
