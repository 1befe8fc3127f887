"""Answers as the frameworks of the older services wrote them."""

import json
from typing import Any

from django.http import HttpResponse


class Refusal(Exception):
    """What a wire says of its own: a status and a body. These wires have no codes."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def refusal(status: int, detail: Any) -> Refusal:
    """`detail` is a sentence, and the list of what is wrong for 422."""
    return Refusal(status, {"detail": detail})


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    """Compact JSON with its characters as they are."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return HttpResponse(
        text.encode("utf-8", "replace"), status=status, content_type="application/json", headers=headers
    )
