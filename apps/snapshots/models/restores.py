"""Bringing states back."""

from django.db import models
from django.db.models import Q

from apps.common.ids import uuid7
from apps.snapshots.models.copies import RemoteCopy
from apps.snapshots.models.snapshots import Snapshot
from apps.workspaces.models import Workspace


class RestoreState(models.TextChoices):
    """open -> done | failed. The job of an open one says how far it is."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"


class Restore(models.Model):
    """Bringing a state back: from a snapshot of any workspace, or from a copy. The record of it stays."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, db_index=False, related_name="restores")
    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.SET_NULL, related_name="+")
    copy = models.ForeignKey(RemoteCopy, null=True, on_delete=models.SET_NULL, related_name="restores")
    source = models.CharField(max_length=300, help_text="For people: what it is restored from.")
    prefix = models.CharField(max_length=1024, blank=True)
    is_exact = models.BooleanField(default=False, help_text="Files that were not there then are deleted.")
    is_merge = models.BooleanField(
        default=False, help_text="Only what the other side has changed; both texts where both did."
    )
    message = models.CharField(max_length=1000, blank=True)
    only_at = models.BigIntegerField(
        null=True, help_text="The sequence of the workspace that it is meant for; nothing is restored into a later one."
    )
    state = models.CharField(max_length=8, choices=RestoreState, default=RestoreState.OPEN)
    put = models.BigIntegerField(default=0)
    deleted = models.BigIntegerField(default=0)
    safety = models.ForeignKey(Snapshot, null=True, on_delete=models.SET_NULL, related_name="+")
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.CharField(max_length=1000, blank=True)
    actor = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="restore_state_known", condition=Q(state__in=RestoreState.values)),
            models.CheckConstraint(
                name="restore_finished_has_time",
                condition=Q(state="open", finished_at=None)
                | Q(state__in=["done", "failed"], finished_at__isnull=False),
            ),
            models.UniqueConstraint(
                name="restore_one_open_per_workspace", fields=["workspace"], condition=Q(state="open")
            ),
        ]
        indexes = [
            # The list of a workspace, newest first.
            models.Index(name="restore_of_workspace", fields=["workspace", "-id"]),
        ]

    def __str__(self) -> str:
        return str(self.public_id)
