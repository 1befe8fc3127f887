"""Snapshots in the console: those of a workspace, their copies, restores and rules, and the operator's targets."""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path

from apps.snapshots.admin import comparing, copies, policies, restores, retention, snapshots, targets
from apps.snapshots.admin.pages import RESTORES, Pages
from apps.snapshots.models import RemoteCopy, RemoteTarget, Restore, Snapshot, SnapshotPolicy


@admin.register(Snapshot)
class SnapshotAdmin(Pages):
    """`?workspace=&name=`."""

    def get_urls(self) -> list[URLPattern]:
        return [
            path("", self.page(snapshots.latest), name="snapshots_snapshot_changelist"),
            path("page/", self.page(snapshots.show), name="snapshots_snapshot_page"),
            path("make/", self.page(snapshots.make), name="snapshots_snapshot_make"),
            path("compare/", self.page(comparing.compare), name="snapshots_snapshot_compare"),
            path("pin/", self.page(snapshots.pin), name="snapshots_snapshot_pin"),
            path("delete/", self.page(snapshots.delete), name="snapshots_snapshot_delete"),
            path("upload/", self.page(snapshots.upload), name="snapshots_snapshot_upload"),
        ]


@admin.register(RemoteCopy)
class RemoteCopyAdmin(Pages):
    """`?workspace=&target=&name=`."""

    def get_urls(self) -> list[URLPattern]:
        return [
            path("", self.page(copies.latest), name="snapshots_remotecopy_changelist"),
            path("page/", self.page(copies.show), name="snapshots_remotecopy_page"),
            path("refresh/", self.page(copies.refresh), name="snapshots_remotecopy_refresh"),
            path("resume/", self.page(copies.resume), name="snapshots_remotecopy_resume"),
            path("verify/", self.page(copies.verify), name="snapshots_remotecopy_verify"),
            path("pin/", self.page(copies.pin), name="snapshots_remotecopy_pin"),
            path("delete/", self.page(copies.delete), name="snapshots_remotecopy_delete"),
        ]


@admin.register(Restore)
class RestoreAdmin(Pages):
    """`?workspace=&id=`."""

    read_scope = RESTORES

    def get_urls(self) -> list[URLPattern]:
        return [
            path("", self.page(restores.latest), name="snapshots_restore_changelist"),
            path("page/", self.page(restores.show), name="snapshots_restore_page"),
            path("ask/", self.page(restores.ask), name="snapshots_restore_ask"),
        ]


@admin.register(SnapshotPolicy)
class SnapshotPolicyAdmin(Pages):
    """`?workspace=`."""

    def get_urls(self) -> list[URLPattern]:
        return [
            path("", self.page(policies.show), name="snapshots_snapshotpolicy_changelist"),
            path("retention/", self.page(retention.change), name="snapshots_snapshotpolicy_retention"),
        ]


@admin.register(RemoteTarget)
class RemoteTargetAdmin(Pages):
    """`?name=`. The operator's: to everybody else there is nothing here."""

    home = "snapshots_remotetarget_changelist"

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def get_urls(self) -> list[URLPattern]:
        return [
            path("", self.page(targets.all_targets), name="snapshots_remotetarget_changelist"),
            path("page/", self.page(targets.show), name="snapshots_remotetarget_page"),
            path("new/", self.page(targets.add), name="snapshots_remotetarget_new"),
            path("change/", self.page(targets.change), name="snapshots_remotetarget_edit"),
            path("test/", self.page(targets.test), name="snapshots_remotetarget_test"),
            path("remove/", self.page(targets.remove), name="snapshots_remotetarget_remove"),
            path("held/", self.page(targets.held), name="snapshots_remotetarget_held"),
            path("recover/", self.page(targets.bring_back), name="snapshots_remotetarget_recover"),
        ]
