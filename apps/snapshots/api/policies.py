"""When a workspace is snapshotted by itself, and what of it is kept."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.forms import parse
from apps.snapshots import policies, targets
from apps.snapshots.api import copy_schemas as schemas
from apps.snapshots.api import shapes
from apps.snapshots.api.forms import PolicyForm, RetentionForm
from apps.snapshots.models import Repository
from apps.workspaces.views import WorkspaceView


class PolicyView(WorkspaceView):
    required_scope = {"GET": "snapshots:read", "PATCH": "workspace:admin"}

    @extend_schema(**schemas.READ_POLICY)
    def get(self, request: Request) -> Response:
        """When snapshots are made by themselves, and where their copies go."""
        targets.settings_target()
        return Response(shapes.policy_json(policies.policy_of(self.workspace.id)))

    @extend_schema(**schemas.CHANGE_POLICY)
    def patch(self, request: Request) -> Response:
        """Change what the body names. A schedule is a cron line, or `every 6h`; an empty one is none."""
        changed = policies.set_policy(self.workspace, parse(PolicyForm, request), actor=self.workspace.actor)
        return Response(shapes.policy_json(changed))


class KeptView(WorkspaceView):
    """Of the workspace's snapshots, or of its copies in the target that `?target=` names."""

    def repository(self, request: Request) -> Repository | None:
        return targets.repository_named(self.workspace, request.query_params.get("target", ""))


class RetentionView(KeptView):
    required_scope = {"GET": "snapshots:read", "PATCH": "workspace:admin"}
    query_parameters = {"GET": frozenset({"target"}), "PATCH": frozenset({"target"})}

    @extend_schema(**schemas.READ_RETENTION)
    def get(self, request: Request) -> Response:
        """What is kept, by restic's names. Where all of it is empty nothing is ever deleted."""
        repository = self.repository(request)
        rule = policies.rule_of(self.workspace.id, repository.pk if repository else None)
        return Response(shapes.retention_json(rule))

    @extend_schema(**schemas.CHANGE_RETENTION)
    def patch(self, request: Request) -> Response:
        """Change what the body names. The next pruning is the first to follow it."""
        rule = policies.set_retention(
            self.workspace, self.repository(request), parse(RetentionForm, request), actor=self.workspace.actor
        )
        return Response(shapes.retention_json(rule))


class PreviewView(KeptView):
    required_scope = {"GET": "snapshots:read"}
    query_parameters = {"GET": frozenset({"target"})}

    @extend_schema(**schemas.PREVIEW_RETENTION)
    def get(self, request: Request) -> Response:
        """What pruning would keep now, and for which reasons."""
        verdicts = policies.preview(self.workspace, self.repository(request), now=timezone.now())
        return Response({"items": [shapes.verdict_json(verdict) for verdict in verdicts]})
