"""Reading query strings and JSON bodies: bounded, strict, and without surprises further in."""

import json
import math
from collections.abc import Set
from typing import IO, Any, ClassVar

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.settings import api_settings

from apps.common.errors import BadJson, IncompleteBody, Invalid, TooLarge, shown

MOST_BYTES = 1024 * 1024


def check_query(query: QueryDict, known: Set[str]) -> None:
    """Raises Invalid for the first parameter that is not among `known`, or that is given twice.

    A typing error must not pass for a wish, and of two values nobody knows which one was meant.
    """
    for name, values in query.lists():
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise Invalid.of(shown(name), "unknown_parameter", f"The query parameters of this operation: {names}.")
        if len(values) > 1:
            raise Invalid.of(name, "repeated_parameter", "A query parameter is given once.")


class JsonParser(BaseParser):
    """UTF-8 JSON of at most 1 MiB, without NaN, bottomless nesting, or text that is not Unicode."""

    media_type = "application/json"
    most_bytes: ClassVar[int] = MOST_BYTES

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        """The value. Raises BadJson, TooLarge, IncompleteBody."""
        raw = stream.read(self.most_bytes + 1)
        if len(raw) > self.most_bytes:
            raise TooLarge(f"A body has at most {self.most_bytes} bytes here.", limit=self.most_bytes)
        announced = parser_context["request"].META.get("CONTENT_LENGTH") if parser_context else None
        if announced and announced.isdecimal() and len(raw) < int(announced):
            raise IncompleteBody()
        return parsed_json(raw)


def parsed_json(raw: bytes) -> Any:
    """The value of UTF-8 JSON text. Raises BadJson; nothing in it can break an encoder or a database driver later."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as failure:
        raise BadJson() from failure
    # Only an escape can bring half a surrogate pair into text that was UTF-8.
    if b"\\u" in raw and b"\\ud" in raw.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except (UnicodeEncodeError, RecursionError) as failure:
            raise BadJson("A string holds half of a surrogate pair.") from failure
    return value


def _finite(text: str) -> float:
    """A number so great that it would become infinite is none that JSON can say again."""
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is too great")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class Form(serializers.Serializer):
    """A request body. Unknown fields are refused: a typing error must not pass for a wish."""

    def to_internal_value(self, data: Any) -> Any:
        """The checked values; `invalid` for a field that the form does not have."""
        if isinstance(data, dict):
            unknown = sorted(str(name) for name in data.keys() - self.fields.keys())
            if unknown:
                message = f"There is no such field: {shown(', '.join(unknown))}"
                raise serializers.ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [message]}, code="unknown_field")
        return super().to_internal_value(data)


def parse(form: type[Form], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """The body of `request` as `form` reads it. Raises Invalid's DRF twin, BadJson, UnsupportedEncoding."""
    reading = form(data=request.data, partial=partial)
    reading.is_valid(raise_exception=True)
    return dict(reading.validated_data)
