"""Bases of the views: the gate before each handler, problem+json for whatever goes wrong."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.common.errors import MethodNotAllowed
from apps.common.forms import JsonParser, check_query
from apps.common.problem import exception_handler, failure_response
from apps.workspaces.access import Caller, OpenWorkspace, identify, open_workspace


class JsonOnly(BaseContentNegotiation):
    """Every answer is JSON, whatever Accept says: a client that asks for HTML still gets something it can read."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == kind), None)

    def select_renderer(self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None) -> Any:
        first = next(iter(renderers))
        return first, first.media_type


class HubView(APIView):
    """A view for a caller who names no workspace; sets `self.caller` and `request.actor`.

    `query_parameters` names, for each method, those that its handler reads; HEAD is GET. Any other, and one that is
    given twice, is refused once the caller is let in. None takes whatever comes, for clients older than that rule.
    """

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = (JsonParser,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = JsonOnly
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    query_parameters: ClassVar[dict[str, frozenset[str]] | None] = {}
    caller: Caller

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.caller = identify(request)
        request.actor = self.caller.actor  # type: ignore[attr-defined]
        check_parameters(self, request)

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        raise method_not_allowed(self)

    def get_exception_handler(self) -> Any:
        return exception_handler


class WorkspaceView(HubView):
    """A view below `/api/v1/workspaces/{slug}/`; sets `self.workspace` and `request.actor`.

    `required_scope` names the scope for each method; HEAD is GET. Handlers get DRF's request and the address's parts
    without the slug. `rate_limited = False` is for clients that cannot take a 429, `key_is_token = True` for those
    that send their token in X-API-Key.
    """

    required_scope: ClassVar[dict[str, str]] = {}
    rate_limited: ClassVar[bool] = True
    key_is_token: ClassVar[bool] = False
    slug: str
    workspace: OpenWorkspace

    def dispatch(self, request: HttpRequest, *args: Any, slug: str, **kwargs: Any) -> HttpResponseBase:
        self.slug = slug
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        APIView.initial(self, request, *args, **kwargs)
        self.workspace = open_for(self, request, self.slug)
        request.actor = self.workspace.actor  # type: ignore[attr-defined]
        check_parameters(self, request)


class LeanWorkspaceView(WorkspaceView):
    """The same contract without DRF's request, parsers and renderers, for the hot paths.

    Handlers get Django's own request and return a Django response.
    """

    def dispatch(self, request: HttpRequest, *args: Any, slug: str, **kwargs: Any) -> HttpResponseBase:
        try:
            self.workspace = open_for(self, request, slug)
            request.actor = self.workspace.actor  # type: ignore[attr-defined]
            check_parameters(self, request)
            handler = getattr(self, (request.method or "").lower(), self.http_method_not_allowed)
            response: HttpResponseBase = handler(request, *args, **kwargs)
        except Exception as failure:  # noqa: BLE001 - the edge: everything becomes an answer here
            response = self.refused(failure, request)
        return response

    def refused(self, failure: Exception, request: HttpRequest) -> HttpResponseBase:
        """The answer to whatever went wrong. Older wires have their own; `self.workspace` is set once past the gate."""
        return failure_response(failure, request)


def open_for(view: WorkspaceView, request: Any, slug: str) -> OpenWorkspace:
    """The workspace for this request by the view's own table of scopes. Raises MethodNotAllowed beside the gate's."""
    method = declared_method(request)
    scope = view.required_scope.get(method)
    if scope is None or not hasattr(view, method.lower()):
        raise method_not_allowed(view)
    return open_workspace(request, slug, scope, rate_limited=view.rate_limited, key_is_token=view.key_is_token)


def check_parameters(view: HubView, request: Any) -> None:
    """Raises Invalid for query parameters that the view does not declare. One look-up when there are none at all."""
    if request.META.get("QUERY_STRING") and view.query_parameters is not None:
        check_query(request.GET, view.query_parameters.get(declared_method(request), frozenset()))


def declared_method(request: Any) -> str:
    """Under which method a view's tables say what holds for this request."""
    return "GET" if request.method == "HEAD" else request.method


def method_not_allowed(view: APIView) -> MethodNotAllowed:
    """With the `Allow` header that RFC 9110 15.5.6 asks for."""
    taken = [method.upper() for method in view.http_method_names if hasattr(view, method)]
    return MethodNotAllowed(headers={"Allow": ", ".join(taken)})


def no_content() -> HttpResponse:
    """204, for what is gone now."""
    return HttpResponse(status=204)
