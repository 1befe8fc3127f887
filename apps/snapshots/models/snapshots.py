"""Named states of workspaces."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.common.ids import uuid7
from apps.workspaces.models import Workspace


class SnapshotKind(models.TextChoices):
    MANUAL = "manual"
    SCHEDULED = "scheduled"
    SAFETY = "safety", "safety (before a restore)"
    PRE_IMPORT = "pre-import", "before an import"


class Snapshot(models.Model):
    """A named state of a workspace: its sequence, and a hold on the history that belongs to it.

    Made under the workspace's lock, so that keys are in the order in which the states were committed. Nothing of it
    changes but the pin, and whether a policy has let it go.
    """

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, db_index=False, related_name="snapshots")
    name = models.CharField(max_length=100)
    sequence = models.BigIntegerField()
    kind = models.CharField(max_length=16, choices=SnapshotKind)
    parent = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    files = models.BigIntegerField(help_text="Live files.")
    size_bytes = models.BigIntegerField(help_text="Of the live files together.")
    message = models.CharField(max_length=1000, blank=True)
    tags = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    is_pinned = models.BooleanField(default=False, help_text="Neither a policy nor a person deletes it.")
    doomed_at = models.DateTimeField(null=True, help_text="When retention let it go; it is deleted a grace time later.")
    actor = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="snapshot_name_once_per_workspace", fields=["workspace", "name"]),
            models.CheckConstraint(name="snapshot_kind_known", condition=Q(kind__in=SnapshotKind.values)),
            models.CheckConstraint(name="snapshot_pinned_stays", condition=Q(doomed_at=None) | Q(is_pinned=False)),
        ]
        indexes = [
            # The latest ones, and the pages of a list.
            models.Index(name="snapshot_of_workspace", fields=["workspace", "-id"]),
        ]

    def __str__(self) -> str:
        return self.name
