"""Both wires of the Silica memory proxy, over the files of a workspace.

The seed wire has `/sync` and `/blob/{path}`, the current one `/sync/{ns}` and `/{ns}/blob/{path}`. Every write makes a
new version, of equal bytes too: clients wait for versions to grow.
"""

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified

from apps.blobs.content import Content
from apps.common.compression import compressed
from apps.common.conditions import names_tag
from apps.common.errors import MethodNotAllowed, NotFound
from apps.common.problem import refusal_of
from apps.dialects.answers import json_response
from apps.dialects.memory_proxy import checksums, refusals, shapes, versions
from apps.dialects.memory_proxy.addresses import INDEX_NAME, file_path, index_prefix
from apps.files import queries
from apps.files.actions import apply_change
from apps.files.changes import Change, ChangeItem
from apps.files.paths import check_portable
from apps.files.receiving import content_type_of, spooled_body
from apps.files.serving import stored_response
from apps.operations import probes
from apps.operations.version import hub_version
from apps.workspaces.views import LeanWorkspaceView


class ProxyView(LeanWorkspaceView):
    """What both wires share. Not in the OpenAPI description, whose paths cannot hold two parts with slashes."""

    schema = None
    query_parameters = None
    required_scope = {"GET": "files:read", "PUT": "files:write", "DELETE": "files:write"}

    def refused(self, failure: Exception, request: HttpRequest) -> HttpResponseBase:
        error = refusal_of(failure)
        if hasattr(self, "workspace"):
            return refusals.older_response(error)
        return refusals.gate_response(error, request.META)

    def apply(self, item: ChangeItem) -> Change:
        return apply_change(self.workspace, item, actor=self.workspace.actor, always=True)

    def stored(self, path: str) -> queries.BlobRow:
        """The live state of a path. Raises `NotFound`, saying whether it was deleted."""
        row = queries.head_at(self.workspace.id, path)
        if row is None or row.is_deleted:
            raise refusals.file_not_found(path, deleted=row is not None)
        return row

    def new_path(self, path: str) -> str:
        """The path, which may be written in this workspace. Raises `BadPath`."""
        if self.workspace.portable_names:
            check_portable(path)
        return path


class BlobView(ProxyView):
    """One file of the current wire."""

    def get(self, request: HttpRequest, namespace: str, path: str) -> HttpResponseBase:
        row = self.stored(file_path(path, namespace))
        return stored_response(request, row, shapes.blob_headers(row, versioned=True))

    def put(self, request: HttpRequest, namespace: str, path: str) -> HttpResponse:
        target = self.new_path(file_path(path, namespace))
        expected = versions.required_version(request.META.get("HTTP_IF_MATCH_VERSION"))
        content_type = content_type_of(request.META.get("CONTENT_TYPE"))
        with spooled_body(request) as body:
            checksums.check_body(request.META.get("HTTP_CONTENT_MD5"), body.md5)
            content = Content.of_spooled(body)
            change = self.apply(ChangeItem(target, versions.put_condition(expected), content, content_type))
        refusals.require_put_at_version(change, expected)
        headers = shapes.written_headers(change, versioned=True)
        return json_response(shapes.written_index(path, change), shapes.put_status(change), headers)

    def delete(self, request: HttpRequest, namespace: str, path: str) -> HttpResponse:
        target = file_path(path, namespace)
        expected = versions.expected_version(request.META.get("HTTP_IF_MATCH_VERSION"))
        change = self.apply(ChangeItem(target, versions.delete_condition(expected)))
        refusals.require_delete_at_version(change, target, expected)
        headers = shapes.written_headers(change, versioned=True)
        return json_response(shapes.written_index(path, change), 200, headers)


class SeedBlobView(ProxyView):
    """One file of the seed wire, whose writes answer without a body."""

    def get(self, request: HttpRequest, path: str) -> HttpResponseBase:
        row = self.stored(file_path(path))
        return stored_response(request, row, shapes.blob_headers(row, versioned=False))

    def put(self, request: HttpRequest, path: str) -> HttpResponse:
        target = self.new_path(file_path(path))
        versions.refuse_version(request.META.get("HTTP_IF_MATCH_VERSION"))
        expected = request.META.get("HTTP_CONTENT_MD5")
        content_type = content_type_of(request.META.get("CONTENT_TYPE"))
        with spooled_body(request) as body:
            content = Content.of_spooled(body)
            change = self.apply(ChangeItem(target, checksums.put_condition(expected), content, content_type))
        refusals.require_put_of_md5(change, expected)
        return shapes.empty_response(shapes.put_status(change), shapes.written_headers(change, versioned=False))

    def delete(self, request: HttpRequest, path: str) -> HttpResponse:
        target = file_path(path)
        versions.refuse_version(request.META.get("HTTP_IF_MATCH_VERSION"))
        expected = checksums.unquoted(request.META.get("HTTP_IF_MATCH"))
        change = self.apply(ChangeItem(target, checksums.delete_condition(expected)))
        refusals.require_delete_of_md5(change, target, expected)
        return shapes.empty_response(204)


class IndexView(ProxyView):
    """The index, whole. Clients take a 429 here for the end of all syncing, so none is ever sent."""

    required_scope = {"GET": "files:read"}
    rate_limited = False

    def index(self, request: HttpRequest, prefix: str, *, versioned: bool) -> HttpResponseBase:
        """What lies below a folder, streamed; 304 for the ETag of the answer before."""
        position = queries.position(self.workspace.id)
        tag = f'W/"{position.epoch.hex[:8]}-{position.last_sequence}-{position.purged_sequence}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Authorization"}
        if names_tag(request.META.get("HTTP_IF_NONE_MATCH", ""), tag):
            return HttpResponseNotModified(headers=headers)
        changed_at = queries.last_change_at(self.workspace.id, position)
        pages = queries.index_members(
            self.workspace.id,
            prefix=prefix,
            hidden=INDEX_NAME,
            version_base=versions.VERSION_BASE if versioned else None,
        )
        version = versions.wire_version(position.last_sequence) if versioned else None
        response = compressed(
            request, shapes.index_json(shapes.begun(pages), changed_at, version), content_type="application/json"
        )
        for name, value in headers.items():
            response[name] = value
        return response


class SyncView(IndexView):
    """The index of a namespace; of the whole workspace where the namespace is empty."""

    def get(self, request: HttpRequest, namespace: str) -> HttpResponseBase:
        return self.index(request, index_prefix(namespace) if namespace else "", versioned=True)


class SeedSyncView(IndexView):
    """The index of the seed wire: of the whole workspace, without versions."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        return self.index(request, "", versioned=False)


def health(request: HttpRequest, slug: str) -> HttpResponse:
    """Whether database and storage answer. Open, and the same for every slug: it does not tell which exist."""
    if request.method not in ("GET", "HEAD"):
        return refusals.older_response(MethodNotAllowed(headers={"Allow": "GET, HEAD"}))
    is_well = all(probe.is_well() for probe in probes.HEALTH)
    status, storage = ("ok", "connected") if is_well else ("error", "disconnected")
    body = {"status": status, "storage": storage, "version": hub_version()}
    return json_response(body, 200 if is_well else 503, {"Cache-Control": "no-store"})


def unknown(request: HttpRequest, slug: str) -> HttpResponse:
    """Any other address below the dialect."""
    return refusals.older_response(NotFound())
