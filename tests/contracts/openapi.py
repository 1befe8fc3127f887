"""The description of the native API as the contract tests read it: operations, examples, requests made of them."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import quote

from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator
from rest_framework.views import APIView

from apps.files.frames import MEDIA_TYPE as FRAMES

METHODS = ("get", "head", "put", "post", "patch", "delete")
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, ready to be sent."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the description. `spec` is its part of the document."""

    id: str
    method: str
    path: str
    spec: dict[str, Any] = field(hash=False, compare=False)

    @property
    def parameters(self) -> list[dict[str, Any]]:
        return self.spec.get("parameters", [])

    @property
    def statuses(self) -> list[int]:
        """The statuses that are described one by one: everything but refusals."""
        return [int(status) for status in self.spec["responses"] if status != "default"]

    def path_parameters(self) -> set[str]:
        return {each["name"] for each in self.parameters if each["in"] == "path"}

    def body_example(self) -> tuple[str, Any] | None:
        """Media type and value of the first example of the body; None for an operation without a body."""
        content = self.spec.get("requestBody", {}).get("content", {})
        for media_type, described in content.items():
            if "examples" in described:
                return media_type, first_example(described)
        return None

    def answer_example(self, status: int) -> tuple[str, Any] | None:
        """The same of an answer; None for one without a body."""
        content = self.spec["responses"][str(status)].get("content", {})
        for media_type, described in content.items():
            if "examples" in described:
                return media_type, first_example(described)
        return None

    def request(self, optional: Collection[str] = (), values: Mapping[str, str] | None = None) -> Exchange:
        """The documented example as a request: required parameters, and the optional ones that are named.

        `values` go in the place of examples.
        """
        headers: dict[str, str] = {}
        url, query = self.path, []
        for parameter in self.parameters:
            name = parameter["name"]
            if not parameter.get("required") and name not in optional:
                continue
            value = (values or {}).get(name) or str(first_example(parameter))
            if parameter["in"] == "path":
                url = url.replace(f"{{{name}}}", quote(value, safe="/" if name in ("path", "subject") else ""))
            elif parameter["in"] == "query":
                query.append(f"{name}={quote(value)}")
            else:
                headers[name] = value
        content = None
        if body := self.body_example():
            headers["Content-Type"], content = body[0], as_bytes(*body)
        return Exchange(self.method, "?".join([url, "&".join(query)]) if query else url, headers, content)


def as_bytes(media_type: str, example: Any) -> bytes:
    """An example as it travels. Frames are described in hexadecimal."""
    if media_type == JSON:
        return json.dumps(example).encode()
    return bytes.fromhex(example) if media_type == FRAMES else example.encode()


def first_example(described: Mapping[str, Any]) -> Any:
    return next(iter(described["examples"].values()))["value"]


@cache
def description() -> dict[str, Any]:
    """The document as the hub generates it."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


@cache
def operations() -> tuple[Operation, ...]:
    """All that is described, by id."""
    found = [
        Operation(path[method]["operationId"], method.upper(), address, path[method])
        for address, path in description()["paths"].items()
        for method in METHODS
        if method in path
    ]
    return tuple(sorted(found, key=lambda operation: operation.id))


def operation(operation_id: str) -> Operation:
    return next(each for each in operations() if each.id == operation_id)


def named(operation: Operation) -> str:
    """For pytest's `ids`."""
    return operation.id


@dataclass(frozen=True, slots=True)
class Route:
    """One pattern of the URL configuration; `view` is None for a plain function."""

    pattern: str
    view: type[APIView] | None

    def methods(self) -> set[str]:
        """What the view class itself handles; HEAD only where it has a method of its own."""
        assert self.view is not None
        return {method.upper() for method in METHODS if hasattr(self.view, method)}


def routes(below: str) -> list[Route]:
    """Every route whose pattern begins so."""
    return [route for route in _walk(get_resolver(), "") if route.pattern.startswith(below)]


def _walk(resolver: URLResolver, prefix: str) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        pattern = f"{prefix}{entry.pattern}"
        if isinstance(entry, URLResolver):
            yield from _walk(entry, pattern)
        elif isinstance(entry, URLPattern):
            yield Route(pattern, getattr(entry.callback, "view_class", None) or getattr(entry.callback, "cls", None))
