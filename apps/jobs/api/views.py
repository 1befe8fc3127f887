"""Jobs of a workspace, and its webhooks."""

import re
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.idempotency import refuse_key
from apps.accounts.scopes import WORKSPACE_ADMIN
from apps.common.errors import Invalid
from apps.common.forms import parse
from apps.common.paging import PAGE_PARAMETERS, page_of
from apps.jobs import actions, endpoints, queries
from apps.jobs.api import schemas, shapes
from apps.jobs.api.forms import WebhookForm
from apps.jobs.models import JobState
from apps.workspaces.views import WorkspaceView, no_content

KIND = re.compile(r"[a-z][a-z0-9_.]{0,63}")


class JobsView(WorkspaceView):
    required_scope = {"GET": "jobs:read"}
    query_parameters = {"GET": PAGE_PARAMETERS | {"state", "kind"}}

    @extend_schema(**schemas.LIST_JOBS)
    def get(self, request: Request) -> Response:
        """What the hub does or did for this workspace. Jobs that ended are kept for 7 days, failed ones for 30."""
        state, kind = request.query_params.get("state", ""), request.query_params.get("kind", "")
        if state and state not in JobState.values:
            raise Invalid.of("state", "state", f"One of {', '.join(JobState.values)}.")
        if kind and KIND.fullmatch(kind) is None:
            raise Invalid.of("kind", "kind", "A kind is lower-case letters, digits, '_' and '.'.")
        jobs = queries.jobs_of(self.workspace.id, state=state, kind=kind)
        return Response(page_of(jobs, request.query_params, render=shapes.job_json))


class JobView(WorkspaceView):
    required_scope = {"GET": "jobs:read"}

    @extend_schema(**schemas.READ_JOB)
    def get(self, request: Request, job_id: UUID) -> Response:
        """One job: its state, progress, and how it ended."""
        return Response(shapes.job_json(queries.job_of(self.workspace.id, job_id)))


class RetryView(WorkspaceView):
    required_scope = {"POST": "jobs:write"}

    @extend_schema(**schemas.RETRY_JOB)
    def post(self, request: Request, job_id: UUID) -> Response:
        """Queue a failed or cancelled job again, with all its attempts."""
        return Response(shapes.job_json(actions.retry(queries.job_of(self.workspace.id, job_id))))


class CancelView(WorkspaceView):
    required_scope = {"POST": "jobs:write"}

    @extend_schema(**schemas.CANCEL_JOB)
    def post(self, request: Request, job_id: UUID) -> Response:
        """End a job. What it has done so far stays."""
        return Response(shapes.job_json(actions.cancel(queries.job_of(self.workspace.id, job_id))))


class WebhooksView(WorkspaceView):
    required_scope = {"GET": WORKSPACE_ADMIN, "POST": WORKSPACE_ADMIN}
    query_parameters = {"GET": PAGE_PARAMETERS}

    @extend_schema(**schemas.LIST_WEBHOOKS)
    def get(self, request: Request) -> Response:
        """Addresses outside that hear of this workspace."""
        return Response(
            page_of(queries.endpoints_of(self.workspace.id), request.query_params, render=shapes.webhook_json)
        )

    @extend_schema(**schemas.CREATE_WEBHOOK)
    def post(self, request: Request) -> Response:
        """Add a webhook. An Idempotency-Key is refused, because no secret is kept."""
        refuse_key(request)
        values = parse(WebhookForm, request)
        endpoint, secret = endpoints.create_endpoint(self.workspace.id, **values, actor=self.workspace.actor)
        body = shapes.webhook_json(endpoint) | {"secret": secret}
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


class WebhookView(WorkspaceView):
    required_scope = {"GET": WORKSPACE_ADMIN, "PATCH": WORKSPACE_ADMIN, "DELETE": WORKSPACE_ADMIN}

    @extend_schema(**schemas.READ_WEBHOOK)
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """One webhook, and whether it works."""
        return Response(shapes.webhook_json(queries.endpoint_of(self.workspace.id, webhook_id)))

    @extend_schema(**schemas.UPDATE_WEBHOOK)
    def patch(self, request: Request, webhook_id: UUID) -> Response:
        """Change what is named. Switching a webhook on forgets its failures."""
        values = parse(WebhookForm, request, partial=True)
        endpoint = queries.endpoint_of(self.workspace.id, webhook_id)
        return Response(shapes.webhook_json(endpoints.change_endpoint(endpoint, **values, actor=self.workspace.actor)))

    @extend_schema(**schemas.DELETE_WEBHOOK)
    def delete(self, request: Request, webhook_id: UUID) -> HttpResponse:
        """Remove a webhook and what still waits for it."""
        endpoints.delete_endpoint(queries.endpoint_of(self.workspace.id, webhook_id), actor=self.workspace.actor)
        return no_content()


class WebhookTestView(WorkspaceView):
    required_scope = {"POST": WORKSPACE_ADMIN}

    @extend_schema(**schemas.TEST_WEBHOOK)
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Send a `webhook.test` event; the delivery says how it went."""
        endpoint = queries.endpoint_of(self.workspace.id, webhook_id)
        return Response(shapes.delivery_json(endpoints.send_test(endpoint)), status=202)


class DeliveriesView(WorkspaceView):
    required_scope = {"GET": WORKSPACE_ADMIN}
    query_parameters = {"GET": PAGE_PARAMETERS}

    @extend_schema(**schemas.LIST_DELIVERIES)
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """What was sent to the webhook, and how it was answered."""
        deliveries = queries.deliveries_of(queries.endpoint_of(self.workspace.id, webhook_id))
        return Response(page_of(deliveries, request.query_params, render=shapes.delivery_json))
