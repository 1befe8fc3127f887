"""What the pages of this app share: the tabs of a workspace, what is at work in it, and buttons."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.template.response import TemplateResponse

from apps.accounts.scopes import WORKSPACE_ADMIN
from apps.jobs.working import Work
from apps.snapshots.admin.working import work_in
from apps.snapshots.models import Snapshot
from apps.snapshots.queries import snapshot_of
from apps.workspaces import pages
from apps.workspaces.console import may
from apps.workspaces.models import Workspace
from apps.workspaces.pages import address, given, tabs_of, workspace_for

READ, WRITE = "snapshots:read", "snapshots:write"
RESTORE, RESTORES = "restores:write", "restores:read"
MANAGE = WORKSPACE_ADMIN
PAGE_ROWS = 50

SNAPSHOTS = "snapshots_snapshot_changelist"
COPIES = "snapshots_remotecopy_changelist"
RESTORED = "snapshots_restore_changelist"
POLICY = "snapshots_snapshotpolicy_changelist"
_TABS = [
    (SNAPSHOTS, "Snapshots", "photo_camera"),
    (COPIES, "Copies", "cloud_done"),
    (RESTORED, "Restores", "settings_backup_restore"),
    (POLICY, "Policy", "event_repeat"),
]


class Pages(pages.Pages):
    """A model whose rows are looked at by workspace and name."""

    folder = "snapshots"
    home = SNAPSHOTS
    read_scope = READ

    def of_workspace(
        self,
        request: HttpRequest,
        template: str,
        workspace: Workspace,
        *,
        tab: str,
        work: list[Work] | None = None,
        **context: Any,
    ) -> TemplateResponse:
        """A page below the tabs of a workspace, with what is at work there: three queries at most, none if given."""
        return self.rendered(
            request,
            template,
            workspace=workspace,
            tabs=tabs_of(workspace, _TABS, tab),
            work=work_in(workspace.pk) if work is None else work,
            may_write=may(request, WRITE, workspace.pk),
            may_restore=may(request, RESTORE, workspace.pk),
            may_manage=may(request, MANAGE, workspace.pk),
            **context,
        )


def asked_snapshot(request: HttpRequest, scope: str = READ) -> tuple[Workspace, Snapshot]:
    """What `?workspace=&name=` name. Raises `NotFound`, for strangers too."""
    workspace = workspace_for(request, scope)
    return workspace, snapshot_of(workspace.pk, given(request, "name"))


def snapshot_page(workspace: Workspace, name: str) -> str:
    return address("snapshots_snapshot_page", workspace=workspace.slug, name=name)


def copy_page(workspace: Workspace, target: str, name: str) -> str:
    return address("snapshots_remotecopy_page", workspace=workspace.slug, target=target, name=name)


def restore_page(workspace: Workspace, restore_id: UUID) -> str:
    return address("snapshots_restore_page", workspace=workspace.slug, id=restore_id)
