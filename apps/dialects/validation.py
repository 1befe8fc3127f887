"""What is wrong with a body, told as FastAPI over pydantic 2 tells it: the framework of two of the older services."""

import json
from collections.abc import Sequence
from typing import Any

from apps.common.errors import shown


def entry(loc: Sequence[str | int], kind: str, sentence: str, given: Any, **context: Any) -> dict[str, Any]:
    """One item of `detail`. Of a text that is repeated it shows 200 characters."""
    echo = shown(given) if isinstance(given, str) else given
    found = {"type": kind, "loc": list(loc), "msg": sentence, "input": echo}
    return found | {"ctx": context} if context else found


def unreadable_json(body: bytes) -> dict[str, Any]:
    """Of a body that is no JSON, or none that can be kept."""
    return entry(["body", 0], "json_invalid", "JSON decode error", {}, error=_why(body))


def no_object(body: Any) -> dict[str, Any]:
    """Of a body that is no JSON object."""
    sentence = "Input should be a valid dictionary or object to extract fields from"
    return entry(["body"], "model_attributes_type", sentence, body)


def _why(body: bytes) -> str:
    """What Python's parser says, without its place."""
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        return error.msg
    except (ValueError, RecursionError):
        return "Cannot be read"
    return "Cannot be kept"
