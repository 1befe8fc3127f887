"""The federated coordinator of agmem, over what the agents of a workspace have pushed."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerView

from apps.accounts.credentials import credential_of
from apps.accounts.limits import limit_push
from apps.common.compression import compressed
from apps.common.conditions import names_tag
from apps.common.errors import ConfirmRequired, MethodNotAllowed, NotFound
from apps.dialects.answers import json_response
from apps.dialects.coordinator import refusals, shapes
from apps.dialects.coordinator.description import TITLE, document
from apps.dialects.coordinator.forms import read_summary
from apps.federation.actions import pull_view, push_summary, reset_federation, standing_for_pull
from apps.federation.counting import count_push
from apps.federation.queries import standing_of
from apps.operations import probes
from apps.workspaces.views import LeanWorkspaceView, method_not_allowed


class CoordinatorView(LeanWorkspaceView):
    """What all of them share. Not in the OpenAPI description: it is another service's."""

    schema = None
    query_parameters = None

    def dispatch(self, request: HttpRequest, *args: Any, slug: str, **kwargs: Any) -> HttpResponseBase:
        """The original knows no HEAD."""
        if request.method == "HEAD":
            return self.refused(method_not_allowed(self), request)
        return super().dispatch(request, *args, slug=slug, **kwargs)

    def refused(self, failure: Exception, request: HttpRequest) -> HttpResponseBase:
        return refusals.older_response(failure)


class BannerView(CoordinatorView):
    required_scope = {"GET": "federation:pull"}

    def get(self, request: HttpRequest) -> HttpResponse:
        return json_response(shapes.banner_json(standing_of(self.workspace.id)))


class PushView(CoordinatorView):
    required_scope = {"POST": "federation:push"}

    def post(self, request: HttpRequest) -> HttpResponse:
        """Takes a summary in. The stock client takes 200 and 201 for success, and nothing else."""
        limit_push(self.workspace.actor.label, request.META)
        summary = read_summary(request)
        pushed = push_summary(self.workspace, summary, actor=self.workspace.actor)
        count_push(pushed.outcome)
        return json_response(shapes.pushed_json(summary.agent_name, pushed.received_at))

    def refused(self, failure: Exception, request: HttpRequest) -> HttpResponseBase:
        count_push(refusals.code_of(failure))
        return super().refused(failure, request)


class PullView(CoordinatorView):
    required_scope = {"GET": "federation:pull"}

    def get(self, request: HttpRequest) -> HttpResponseBase:
        standing = standing_for_pull(self.workspace)
        if wanted := request.META.get("HTTP_IF_NONE_MATCH"):
            tag = standing.tag
            if names_tag(wanted, tag):
                return HttpResponseNotModified(headers=_headers(tag))
        merged = pull_view(self.workspace, standing, actor=self.workspace.actor)
        text = shapes.merged_text(merged).encode()
        response = compressed(request, [text], content_type="application/json")
        for name, value in _headers(merged.standing.tag).items():
            response[name] = value
        return response


class ResetView(CoordinatorView):
    required_scope = {"DELETE": "federation:write"}

    def delete(self, request: HttpRequest) -> HttpResponse:
        """The original asked for no token. The stock client never calls it."""
        if request.GET.get("confirm") != "true":
            raise ConfirmRequired("This takes out all that was ever pushed: add ?confirm=true.")
        moment = reset_federation(self.workspace, acting_role=self.workspace.acting_role, actor=self.workspace.actor)
        return json_response({"status": "reset", "timestamp": moment.isoformat(timespec="microseconds")})


def banner(request: HttpRequest, slug: str) -> HttpResponseBase:
    """With a token how the workspace stands; without, the same for every slug."""
    if request.method == "GET" and credential_of(request.META) is None:
        return json_response(shapes.banner_json(None))
    return _banner(request, slug=slug)


def open_to_all(answer: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """A view without a token, for GET alone, and the same for every slug."""

    def view(request: HttpRequest, slug: str) -> HttpResponse:
        if request.method != "GET":
            return refusals.older_response(MethodNotAllowed(headers={"Allow": "GET"}))
        return answer(request)

    return view


@open_to_all
def health(request: HttpRequest) -> HttpResponse:
    """Whether database and storage answer."""
    is_well = all(probe.is_well() for probe in probes.HEALTH)
    body = {"status": "healthy" if is_well else "unhealthy", "timestamp": shapes.now_text()}
    return json_response(body, 200 if is_well else 503, {"Cache-Control": "no-store"})


@open_to_all
def described(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document."""
    return json_response(document(), headers={"Cache-Control": "no-cache"})


@open_to_all
def docs(request: HttpRequest) -> HttpResponse:
    """The document as Swagger UI shows it."""
    return _page(_swagger(request))


@open_to_all
def redoc(request: HttpRequest) -> HttpResponse:
    """The document as ReDoc shows it."""
    return _page(_redoc(request))


def unknown(request: HttpRequest, slug: str) -> HttpResponse:
    """Any other address below the dialect."""
    return refusals.older_response(NotFound())


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Authorization"}


def _page(page: HttpResponse) -> HttpResponse:
    # Its address may hold a path token, which the files that it loads need not hear.
    page["Referrer-Policy"] = "no-referrer"
    return page


_banner = BannerView.as_view()
# Beside the page, wherever that is mounted.
_swagger = SpectacularSwaggerView.as_view(url="openapi.json", title=TITLE)
_redoc = SpectacularRedocView.as_view(url="openapi.json", title=TITLE)
