"""The cloud sync of "memories", over the snapshots of a workspace and their copies in its target."""

from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from apps.common.errors import MethodNotAllowed, NotFound
from apps.dialects.answers import json_response, refusal
from apps.dialects.cloud_sync import backups, refusals, shapes, syncing
from apps.dialects.cloud_sync.cloud import Cloud
from apps.dialects.cloud_sync.names import DEFAULT_PREFIX, LONGEST_PREFIX, is_backup_name
from apps.dialects.cloud_sync.parameters import Parameters
from apps.dialects.cloud_sync.refusals import CONFIRM, OFF
from apps.operations import probes
from apps.operations.version import hub_version
from apps.snapshots.actions import create_snapshot, restore_snapshot
from apps.snapshots.queries import snapshots_of
from apps.workspaces.queries import workspace_with_usage
from apps.workspaces.views import LeanWorkspaceView

LONGEST_NAME = 200
LONGEST_REASON = 1000


class CloudSyncView(LeanWorkspaceView):
    """What all of them share. Not in the OpenAPI description: it is another service's."""

    schema = None
    query_parameters = None
    key_is_token = True

    def refused(self, failure: Exception, request: HttpRequest) -> HttpResponseBase:
        return refusals.older_response(failure)

    def live_files(self) -> int:
        return workspace_with_usage(self.workspace.id).counter.live_files


class StatusView(CloudSyncView):
    required_scope = {"GET": "snapshots:read"}

    def get(self, request: HttpRequest) -> HttpResponse:
        cloud = Cloud.of(self.workspace)
        if cloud is None:
            return json_response({"enabled": False, "message": OFF})
        cloud.ask()
        latest = cloud.latest()
        return json_response(
            {
                "enabled": True,
                "latest_remote": latest.name if latest else None,
                "latest_local": backups.latest_backup(self.workspace),
                "remote_count": len(cloud.names()),
                "local_count": len(backups.local_backups(self.workspace)),
            }
        )


class UploadView(CloudSyncView):
    required_scope = {"POST": "snapshots:write"}

    def post(self, request: HttpRequest) -> HttpResponse:
        """Success only when the copy is whole in the target. The original said so in any case."""
        copy = syncing.upload(self.workspace, Cloud.required(self.workspace))
        message = "Backup created and uploaded to cloud"
        return json_response({"success": True, "backup_name": copy.name, "message": message})


class CopiesView(CloudSyncView):
    required_scope = {"GET": "snapshots:read"}

    def get(self, request: HttpRequest) -> HttpResponse:
        cloud = Cloud.required(self.workspace)
        cloud.ask()
        copies = [{"name": name, "s3_prefix": cloud.address(name)} for name in cloud.names()]
        return json_response({"snapshots": copies, "count": len(copies)})


class DownloadView(CloudSyncView):
    required_scope = {"POST": "snapshots:read"}

    def post(self, request: HttpRequest) -> HttpResponse:
        """Brings a copy to this machine; `/restore` applies it."""
        wish = Parameters.of(request)
        wanted, is_confirmed = wish.text("backup_name"), wish.flag("confirm")
        cloud = Cloud.required(self.workspace)
        if not is_confirmed:
            raise refusal(400, f"{CONFIRM}This will download from cloud.")
        if wanted and not is_backup_name(wanted):
            raise refusal(400, f"Invalid backup name: {wanted}")
        cloud.ask()
        copy = cloud.copy(wanted) if wanted else cloud.latest()
        if copy is None:
            raise refusal(404, "Backup not found in cloud" if wanted else "No backups found in cloud")
        files, path = backups.download_backup(self.workspace, copy)
        done = shapes.downloaded_json(copy.name, files, path)
        message = f"Downloaded {copy.name} from cloud. Use /restore to apply it."
        return json_response({"success": True, **done, "message": message})


class CopyRestoreView(CloudSyncView):
    required_scope = {"POST": "restores:write"}

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        is_confirmed = Parameters.of(request).flag("confirm")
        cloud = Cloud.required(self.workspace)
        if not is_confirmed:
            raise refusal(400, f"{CONFIRM}This will overwrite local data.")
        if not is_backup_name(name):
            raise refusal(400, f"Invalid backup name: {name}")
        cloud.ask()
        copy = cloud.copy(name)
        if copy is None:
            raise refusal(404, f"No backup found: {name}")
        syncing.restore(self.workspace, copy)
        path = backups.home_of(self.workspace) / name
        return json_response(
            {
                "success": True,
                "downloaded": shapes.downloaded_json(name, copy.files, path),
                "restored": {"restored_from": name, "total_memories": self.live_files()},
                "message": f"Successfully restored {name} from cloud",
            }
        )


class BackupView(CloudSyncView):
    required_scope = {"POST": "snapshots:write"}

    def post(self, request: HttpRequest) -> HttpResponse:
        prefix = Parameters.of(request).text("prefix", most=LONGEST_PREFIX)
        made = backups.create_backup(self.workspace, prefix=DEFAULT_PREFIX if prefix is None else prefix)
        return json_response(shapes.created_json(made.name, backups.home_of(self.workspace) / made.name))


class BackupsView(CloudSyncView):
    required_scope = {"GET": "snapshots:read"}

    def get(self, request: HttpRequest) -> HttpResponse:
        found = [shapes.backup_json(backup) for backup in backups.local_backups(self.workspace)]
        return json_response({"backups": found, "count": len(found)})


class RestoreView(CloudSyncView):
    required_scope = {"POST": "restores:write"}

    def post(self, request: HttpRequest) -> HttpResponse:
        name = Parameters.of_form(request).required_text("backup_name", most=LONGEST_NAME)
        backups.restore_backup(self.workspace, name)
        return json_response(shapes.restored_json(name, self.live_files()))


class SnapshotsView(CloudSyncView):
    """A mechanism of its own in the original, over its vector store. Here these are the same snapshots."""

    required_scope = {"GET": "snapshots:read", "POST": "snapshots:write"}

    def get(self, request: HttpRequest) -> HttpResponse:
        found = [shapes.snapshot_json(snapshot) for snapshot in snapshots_of(self.workspace.id)]
        return json_response({"snapshots": found, "count": len(found)})

    def post(self, request: HttpRequest) -> HttpResponse:
        reason = Parameters.of(request).text("reason", most=LONGEST_REASON) or ""
        made = create_snapshot(self.workspace, message=reason, actor=self.workspace.actor)
        return json_response({"snapshot": made.name})


class SnapshotRestoreView(CloudSyncView):
    required_scope = {"POST": "restores:write"}

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        snapshot = snapshots_of(self.workspace.id).filter(name=name).first()
        if snapshot is None:
            raise refusal(404, f"Snapshot '{name}' not found")
        restore_snapshot(self.workspace, snapshot, delete=True, actor=self.workspace.actor)
        return json_response({"success": True, "restored": name})


def health(request: HttpRequest, slug: str) -> HttpResponse:
    """Whether database and storage answer. Open, and the same for every slug: it does not tell which exist."""
    return _probed(request, probes.HEALTH, "ok", "error")


def ready(request: HttpRequest, slug: str) -> HttpResponse:
    """The same of all that the hub stands on."""
    return _probed(request, probes.READINESS, "ready", "not_ready")


def _probed(request: HttpRequest, asked: Iterable[probes.Probe], well: str, unwell: str) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        return refusals.older_response(MethodNotAllowed(headers={"Allow": "GET, HEAD"}))
    is_well = all(probe.is_well() for probe in asked)
    body = {"status": well if is_well else unwell, "version": hub_version()}
    return json_response(body, 200 if is_well else 503, {"Cache-Control": "no-store"})


def unknown(request: HttpRequest, slug: str) -> HttpResponse:
    """Any other address below the dialect, `/export` and `/import` among them."""
    return refusals.older_response(NotFound())
