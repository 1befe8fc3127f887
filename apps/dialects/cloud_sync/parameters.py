"""What a request asks for. The service read the query, its own command line sends a JSON body: here both are read.

The query wins. What is wrong is told as the service's framework did (FastAPI over pydantic 2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, QueryDict

from apps.common.errors import BadJson
from apps.common.forms import parsed_json
from apps.dialects.answers import Refusal, refusal
from apps.dialects.validation import entry, no_object, unreadable_json

_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE = frozenset({"0", "off", "f", "false", "n", "no"})


@dataclass(frozen=True, slots=True)
class Parameters:
    query: QueryDict
    body: Mapping[str, Any]

    @classmethod
    def of(cls, request: HttpRequest) -> "Parameters":
        """A body that is no JSON object says nothing: the service never looked at it."""
        try:
            body = parsed_json(request.body) if request.body else {}
        except BadJson:
            body = {}
        return cls(request.GET, body if isinstance(body, dict) else {})

    @classmethod
    def of_form(cls, request: HttpRequest) -> "Parameters":
        """The same where the service took a body. Raises `Refusal` for one that cannot be read."""
        if not request.body:
            return cls(request.GET, {})
        try:
            body = parsed_json(request.body)
        except BadJson as error:
            raise refusal(422, [unreadable_json(request.body)]) from error
        if not isinstance(body, dict):
            raise refusal(422, [no_object(body)])
        return cls(request.GET, body)

    def flag(self, name: str) -> bool:
        """False where nothing is said. Raises `Refusal`."""
        where, value = self._found(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
            return value.lower() in _TRUE
        if isinstance(value, int | float) and value in (0, 1):
            return bool(value)
        if isinstance(value, str | int | float):
            sentence = "Input should be a valid boolean, unable to interpret input"
            raise _wrong([where, name], "bool_parsing", sentence, value)
        raise _wrong([where, name], "bool_type", "Input should be a valid boolean", value)

    def text(self, name: str, *, most: int | None = None) -> str | None:
        """None where nothing is said. Raises `Refusal`."""
        where, value = self._found(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise _wrong([where, name], "string_type", "Input should be a valid string", value)
        if most is not None and len(value) > most:
            sentence = f"String should have at most {most} characters"
            raise _wrong([where, name], "string_too_long", sentence, value, max_length=most)
        return value

    def required_text(self, name: str, *, most: int) -> str:
        """The same, and not empty."""
        value = self.text(name, most=most)
        if value is None:
            loc = ["body", name] if self.body else ["body"]
            raise _wrong(loc, "missing", "Field required", dict(self.body) or None)
        if not value:
            where, _ = self._found(name)
            sentence = "String should have at least 1 character"
            raise _wrong([where, name], "string_too_short", sentence, value, min_length=1)
        return value

    def _found(self, name: str) -> tuple[str, Any]:
        if name in self.query:
            return "query", self.query[name]
        return "body", self.body.get(name)


def _wrong(loc: Sequence[str | int], kind: str, sentence: str, given: Any, **context: Any) -> Refusal:
    return refusal(422, [entry(loc, kind, sentence, given, **context)])
