"""What the agents of a workspace know about: pushes, the merged view, and who is in it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseNotModified
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.idempotency import idempotent
from apps.accounts.limits import limit_push
from apps.common.conditions import names_tag
from apps.common.errors import ConfirmRequired, Invalid
from apps.common.forms import parse
from apps.common.paging import PAGE_PARAMETERS, page_of
from apps.common.problem import refusal_of
from apps.common.times import rfc3339
from apps.federation import actions, queries
from apps.federation.api import schemas, shapes
from apps.federation.api.forms import FederationForm, ResetForm, SummaryForm, SummaryParser, bad_time, summary_in
from apps.federation.counting import count_push
from apps.federation.history import changes_between
from apps.federation.sql import Standing
from apps.federation.summaries import BadTime, instant_of
from apps.workspaces.views import WorkspaceView, no_content


class FederationView(WorkspaceView):
    required_scope = {"GET": "federation:read", "PATCH": "workspace:admin"}

    @extend_schema(**schemas.READ_FEDERATION)
    def get(self, request: Request) -> Response:
        """How the merged view stands, and how it is merged and shown."""
        federation = queries.federation_of(self.workspace.id)
        return Response(shapes.federation_json(queries.standing_of(self.workspace.id), federation))

    @extend_schema(**schemas.CHANGE_FEDERATION)
    def patch(self, request: Request) -> Response:
        """Change what the body names. Another mode merges everything anew."""
        changed = actions.configure_federation(
            self.workspace, parse(FederationForm, request, partial=True), actor=self.workspace.actor
        )
        return Response(shapes.federation_json(queries.standing_of(self.workspace.id), changed))


class ResetView(WorkspaceView):
    required_scope = {"POST": "federation:write"}

    @extend_schema(**schemas.RESET_FEDERATION)
    def post(self, request: Request) -> Response:
        """Take out all that was ever pushed. For owners. What noise has spent of its budget stays spent."""
        if not parse(ResetForm, request)["confirm"]:
            raise ConfirmRequired('This takes out all that was ever pushed: say "confirm": true.')
        moment = actions.reset_federation(
            self.workspace, acting_role=self.workspace.acting_role, actor=self.workspace.actor
        )
        return Response({"reset_at": rfc3339(moment)})


class SummariesView(WorkspaceView):
    required_scope = {"GET": "federation:read", "POST": "federation:push"}
    query_parameters = {"GET": PAGE_PARAMETERS | {"agent"}}
    parser_classes = (SummaryParser,)

    @extend_schema(**schemas.LIST_SUMMARIES)
    def get(self, request: Request) -> Response:
        """The pushes that were accepted, newest first."""
        agent = request.query_params.get("agent")
        summaries = queries.summaries_of(self.workspace.id, agent_id=None if agent is None else _agent_id(agent))
        return Response(page_of(summaries, request.query_params, render=shapes.summary_json))

    @extend_schema(**schemas.PUSH_SUMMARY)
    @idempotent
    def post(self, request: Request) -> Response:
        """Tell what an agent knows about: 201 for news, 200 for what it has told before, which adds nothing.

        At most ten a minute for each token, or what the operator has set.
        """
        limit_push(self.workspace.actor.label, request.META)
        summary = summary_in(parse(SummaryForm, request))
        pushed = actions.push_summary(self.workspace, summary, actor=self.workspace.actor)
        count_push(pushed.outcome)
        return Response(shapes.pushed_json(pushed), status=201 if pushed.is_new else 200)

    def handle_exception(self, exc: Exception) -> Response:
        if self.request.method == "POST":
            count_push(refusal_of(exc).code)
        return super().handle_exception(exc)


class AgentsView(WorkspaceView):
    required_scope = {"GET": "federation:read"}
    query_parameters = {"GET": PAGE_PARAMETERS | {"topic"}}

    @extend_schema(**schemas.LIST_AGENTS)
    def get(self, request: Request) -> Response:
        """Who pushes, the latest to come first."""
        agents = queries.agents_of(self.workspace.id, topic=request.query_params.get("topic", "").replace("\0", ""))
        page = page_of(agents, request.query_params, render=lambda agent: agent)
        return Response(page | {"items": shapes.agents_json(page["items"])})


class AgentView(WorkspaceView):
    required_scope = {"GET": "federation:read", "DELETE": "federation:write"}

    @extend_schema(**schemas.READ_AGENT)
    def get(self, request: Request, agent_id: UUID) -> Response:
        """One agent, with what it has in the merged view."""
        return Response(shapes.knowing_agent_json(queries.agent_of(self.workspace.id, agent_id)))

    @extend_schema(**schemas.WITHDRAW_AGENT)
    def delete(self, request: Request, agent_id: UUID) -> HttpResponse:
        """Take an agent out with all that it ever pushed."""
        actions.withdraw_agent(self.workspace, agent_id, actor=self.workspace.actor)
        return no_content()


class PulledView(WorkspaceView):
    """A part of the merged view as the workspace shows it, in pages. Equal views have equal tags."""

    required_scope = {"GET": "federation:pull"}
    query_parameters = {"GET": PAGE_PARAMETERS}

    def answered(
        self, request: Request, page: Callable[[Request, Standing], dict[str, Any]]
    ) -> Response | HttpResponseNotModified:
        standing = actions.standing_for_pull(self.workspace)
        headers = {"ETag": standing.tag, "Cache-Control": "private, no-cache"}
        if names_tag(request.META.get("HTTP_IF_NONE_MATCH", ""), standing.tag):
            return HttpResponseNotModified(headers=headers)
        actions.note_pull(self.workspace, standing, actor=self.workspace.actor)
        return Response(page(request, standing), headers=headers)


class TopicsView(PulledView):
    @extend_schema(**schemas.LIST_TOPICS)
    def get(self, request: Request) -> Response | HttpResponseNotModified:
        """What the agents together know about, by topic. Without the topics that too few of them sent."""
        return self.answered(request, self._page)

    def _page(self, request: Request, standing: Standing) -> dict[str, Any]:
        topics = queries.topics_of(self.workspace.id, min_agents=standing.min_agents)
        published = None
        if standing.is_noisy:
            published = shapes.published_counts(queries.last_publication(self.workspace.id))
            topics = topics.filter(topic__in=list(published))
        return page_of(
            topics, request.query_params, key="topic", render=lambda topic: shapes.topic_json(topic, published)
        )


class LabelsView(PulledView):
    @extend_schema(**schemas.LIST_LABELS)
    def get(self, request: Request) -> Response | HttpResponseNotModified:
        """The labels that the agents have sent, each once. Without those that too few of them sent."""
        return self.answered(request, self._page)

    def _page(self, request: Request, standing: Standing) -> dict[str, Any]:
        labels = queries.labels_of(self.workspace.id, min_agents=standing.min_agents)
        return page_of(
            labels,
            request.query_params,
            key="label",
            render=lambda label: shapes.label_json(label, is_noisy=standing.is_noisy),
        )


class ChangesView(WorkspaceView):
    required_scope = {"GET": "federation:read"}
    query_parameters = {"GET": frozenset({"since", "until"})}

    @extend_schema(**schemas.READ_CHANGES)
    def get(self, request: Request) -> Response:
        """What differs between the merged views at two moments. What was withdrawn since is in neither."""
        since, until = (_moment(request, name) for name in ("since", "until"))
        if since > until:
            raise Invalid.of("since", "order", "since is not later than until.")
        return Response(shapes.changes_json(changes_between(self.workspace.id, since, until)))


def _moment(request: Request, name: str) -> datetime:
    text = request.query_params.get(name)
    if text is None:
        raise Invalid.of(name, "required", "Both moments are given, as 2026-01-05T09:30:00Z.")
    try:
        return instant_of(text)
    except BadTime as error:
        raise bad_time(name, text) from error


def _agent_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Invalid.of("agent", "agent", "An agent's id is a UUID.") from error
