"""Targets, and the copies of snapshots in them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.common.ids import uuid7
from apps.snapshots.models.snapshots import Snapshot
from apps.workspaces.models import Workspace


class TargetKind(models.TextChoices):
    S3 = "s3", "S3-compatible bucket"
    DIRECTORY = "directory", "directory of the hub's machine"
    GCS = "gcs", "Google Cloud Storage"
    AZURE = "azure", "Azure Blob Storage"
    SFTP = "sftp", "SFTP"


class RemoteTarget(models.Model):
    """A place outside the hub that copies of snapshots go to. The operator's: workspaces only use it.

    One with a `workspace` belongs to it alone, and its copies lie at the prefix itself; in any other one each
    workspace has a folder of its slug.
    """

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    name = models.CharField(max_length=63, unique=True)
    kind = models.CharField(max_length=16, choices=TargetKind)
    workspace = models.ForeignKey(
        Workspace,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="targets",
        help_text="Only for this one.",
    )
    options = models.JSONField(
        default=dict, blank=True, help_text="Bucket, prefix, region, directory: as its kind has them."
    )
    secrets = models.TextField(blank=True, help_text="Its credentials; kept encrypted.")
    is_encrypted = models.BooleanField(default=False, help_text="Copies are encrypted before they leave the hub.")
    is_from_settings = models.BooleanField(default=False, help_text="CLOUD_SYNC_* say what it is.")
    checked_at = models.DateTimeField(null=True, editable=False)
    check_result = models.JSONField(null=True, editable=False, help_text="What the last test of the connection found.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="remotetarget_kind_known", condition=Q(kind__in=TargetKind.values)),
            models.CheckConstraint(
                name="remotetarget_name_form", condition=Q(name__regex=r"^[a-z0-9][a-z0-9-]{0,62}$")
            ),
            models.UniqueConstraint(
                name="remotetarget_one_from_settings", fields=["is_from_settings"], condition=Q(is_from_settings=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Repository(models.Model):
    """All copies of one workspace in one target, of whichever hub.

    `writer` tells this hub's copies and packs from those of others: it uses and deletes only what it wrote itself.
    """

    target = models.ForeignKey(RemoteTarget, on_delete=models.PROTECT, related_name="repositories")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="repositories")
    writer = models.UUIDField(default=uuid7, editable=False)
    wrapped_key = models.TextField(
        blank=True, help_text="The data key as it lies in the target; empty without encryption."
    )
    head = models.UUIDField(
        null=True, help_text="The copy that the workspace had last: sent there, or restored from there."
    )
    head_sequence = models.BigIntegerField(default=0, help_text="Where the workspace stood when it had that.")
    vector = models.JSONField(default=dict, help_text="The newest copy of each writer that the workspace grew from.")
    refreshed_at = models.DateTimeField(null=True, help_text="When the target's copies were listed last.")
    failing_since = models.DateTimeField(null=True, help_text="The first failure of an upload after the last success.")
    failure = models.CharField(max_length=1000, blank=True)
    first_start = models.CharField(
        max_length=1000, blank=True, help_text="What became of the restore at the first start."
    )
    first_start_at = models.DateTimeField(null=True)
    sample_asked_at = models.DateTimeField(null=True, help_text="When the planner last asked for a sample.")
    trial_asked_at = models.DateTimeField(null=True, help_text="When the planner last asked for a trial restore.")
    undeletable_since = models.DateTimeField(null=True, help_text="When the target first refused to delete.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "repositories"
        constraints = [models.UniqueConstraint(name="repository_once_per_workspace", fields=["target", "workspace"])]

    def __str__(self) -> str:
        return f"{self.workspace_id}@{self.target_id}"


class CopyState(models.TextChoices):
    """uploading -> sealed, which alone can be restored. Both -> deleting, and back where the target refuses that."""

    UPLOADING = "uploading"
    SEALED = "sealed"
    DELETING = "deleting"


class VerifyMode(models.TextChoices):
    LISTING = "listing", "manifest and listing"
    SAMPLE = "sample", "a sample read back"
    FULL = "full", "all read back"
    TRIAL = "trial", "a trial restore"


class RemoteCopy(models.Model):
    """A snapshot in a target. It may outlive the snapshot, and the hub that wrote it."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    repository = models.ForeignKey(Repository, on_delete=models.PROTECT, db_index=False, related_name="copies")
    name = models.CharField(max_length=100)
    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.SET_NULL, related_name="copies")
    writer = models.UUIDField()
    parent = models.UUIDField(null=True, help_text="Id of the copy that its writer had before.")
    vector = models.JSONField(default=dict, help_text="The newest copy of each writer that it grew from.")
    kind = models.CharField(max_length=16)
    state = models.CharField(max_length=16, choices=CopyState)
    sequence = models.BigIntegerField(default=0)
    files = models.BigIntegerField(default=0)
    size_bytes = models.BigIntegerField(default=0)
    new_bytes = models.BigIntegerField(default=0, help_text="Content that had to be sent.")
    reused_bytes = models.BigIntegerField(default=0, help_text="Content that the target had already.")
    sent_bytes = models.BigIntegerField(default=0, help_text="What was sent, compressed, with the manifest.")
    message = models.CharField(max_length=1000, blank=True)
    tags = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    is_pinned = models.BooleanField(default=False)
    doomed_at = models.DateTimeField(null=True, help_text="When retention let it go; it is deleted a grace time later.")
    manifest_sha256 = models.BinaryField(null=True, help_text="Known of this hub's own copies only.")
    manifest_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(help_text="Of the snapshot.")
    sealed_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True, help_text="When it was last found to be whole.")
    verify_mode = models.CharField(max_length=16, choices=VerifyMode, blank=True)
    damage = models.CharField(
        max_length=1000, blank=True, help_text="What the last verification found; empty for nothing."
    )

    class Meta:
        verbose_name_plural = "remote copies"
        constraints = [
            models.UniqueConstraint(name="remotecopy_name_once_per_repository", fields=["repository", "name"]),
            models.CheckConstraint(name="remotecopy_state_known", condition=Q(state__in=CopyState.values)),
            models.CheckConstraint(
                name="remotecopy_sealed_has_time",
                condition=Q(state="uploading", sealed_at=None)
                | Q(state="sealed", sealed_at__isnull=False)
                | Q(state="deleting"),
            ),
            models.CheckConstraint(
                name="remotecopy_verify_mode_known", condition=Q(verify_mode__in=["", *VerifyMode.values])
            ),
            models.CheckConstraint(name="remotecopy_pinned_stays", condition=Q(doomed_at=None) | Q(is_pinned=False)),
        ]
        indexes = [
            # The latest ones, and the pages of a list.
            models.Index(name="remotecopy_of_repository", fields=["repository", "-created_at", "-id"]),
            # Uploads to ask for again or to clean up, and deletions to finish.
            models.Index(name="remotecopy_unsealed", fields=["repository"], condition=~Q(state="sealed")),
        ]

    def __str__(self) -> str:
        return self.name
