"""Answers as the frameworks of the older services wrote them."""

import json
from typing import Any

from django.http import HttpResponse


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    """Compact JSON with its characters as they are."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return HttpResponse(
        text.encode("utf-8", "replace"), status=status, content_type="application/json", headers=headers
    )
