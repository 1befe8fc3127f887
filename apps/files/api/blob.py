"""One file: GET, HEAD, PUT, DELETE. The hottest addresses of the hub: plain reads, one round trip, no serializer."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from drf_spectacular.utils import extend_schema

from apps.common.conditions import MAX_VERSION, Condition, condition_from_headers
from apps.common.errors import Invalid
from apps.files import actions, queries
from apps.files.api import schemas
from apps.files.api.bodies import received
from apps.files.api.shapes import change_json, change_status, content_headers, entity_tag, repr_digest
from apps.files.changes import Change
from apps.files.paths import checked_path
from apps.files.receiving import content_type_of
from apps.files.serving import stored_response
from apps.workspaces.views import LeanWorkspaceView

MAX_MESSAGE = 1000
MESSAGE = frozenset({"message"})
"""The query parameter of every write, as views declare it."""


class FileView(LeanWorkspaceView):
    required_scope = {"GET": "files:read", "HEAD": "files:read", "PUT": "files:write", "DELETE": "files:write"}
    query_parameters = {
        "GET": frozenset({"version"}),
        "PUT": MESSAGE | {"overwrite"},
        "DELETE": MESSAGE | {"overwrite"},
    }

    @extend_schema(**schemas.GET_FILE)
    def get(self, request: HttpRequest, path: str) -> HttpResponseBase:
        """The bytes of a file, now or at `?version=`."""
        row = queries.blob_at(self.workspace.id, checked_path(path), _version_parameter(request))
        return stored_response(request, row, content_headers(row))

    @extend_schema(**schemas.HEAD_FILE)
    def head(self, request: HttpRequest, path: str) -> HttpResponseBase:
        """The headers that GET would answer."""
        return self.get(request, path)

    @extend_schema(**schemas.PUT_FILE)
    def put(self, request: HttpRequest, path: str) -> HttpResponse:
        """Make the body the newest version of a file."""
        condition = _condition(request)
        content_type = content_type_of(request.META.get("CONTENT_TYPE"))
        checked_path(path)
        with received(request) as content:
            change = actions.put_file(
                self.workspace,
                path,
                content,
                condition=condition,
                content_type=content_type,
                actor=self.workspace.actor,
                message=message_parameter(request),
            )
        return _changed(change)

    @extend_schema(**schemas.DELETE_FILE)
    def delete(self, request: HttpRequest, path: str) -> HttpResponse:
        """Put a tombstone on a file; its versions stay."""
        change = actions.delete_file(
            self.workspace,
            path,
            condition=_condition(request),
            actor=self.workspace.actor,
            message=message_parameter(request),
        )
        return _changed(change)


def _changed(change: Change) -> HttpResponse:
    assert change.version is not None
    headers = {"ETag": entity_tag(change.version)}
    if not change.is_deleted and change.sha256:
        headers["Repr-Digest"] = repr_digest(change.sha256)
    return JsonResponse(change_json(change), status=change_status(change), headers=headers)


def _condition(request: HttpRequest) -> Condition:
    overwrite = request.GET.get("overwrite", "false")
    if overwrite not in ("true", "false"):
        raise Invalid.of("overwrite", "bad_boolean", "overwrite is true or false.")
    return condition_from_headers(
        request.META.get("HTTP_IF_MATCH"), request.META.get("HTTP_IF_NONE_MATCH"), overwrite=overwrite == "true"
    )


def _version_parameter(request: HttpRequest) -> int | None:
    text = request.GET.get("version")
    if text is None:
        return None
    # A number beyond the sequence's bits would name another version by wrapping around.
    if not text.isascii() or not text.isdigit() or len(text) > 13 or int(text) >= MAX_VERSION:
        raise Invalid.of("version", "bad_version", "version is a number.")
    return int(text)


def message_parameter(request: HttpRequest) -> str:
    """`?message=`, kept with the change set. Raises `Invalid`."""
    message = request.GET.get("message", "")
    if len(message) > MAX_MESSAGE or "\0" in message:
        raise Invalid.of("message", "too_long", f"message has at most {MAX_MESSAGE} characters and no NUL.")
    return message
