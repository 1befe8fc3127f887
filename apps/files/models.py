from django.db import models
from django.db.models import Q

from apps.blobs.models import Blob
from apps.workspaces.models import Workspace

SEQUENCE_BITS = 40
"""A change number is `workspace.id << SEQUENCE_BITS | sequence`."""


class Origin(models.TextChoices):
    PUT = "put"
    SYNC = "sync"
    RESTORE = "restore"
    SESSION = "session"
    CONNECTOR = "connector"
    GIT = "git"
    ADMIN = "admin"


class File(models.Model):
    """A path with its head. Keyed by the change number of its first version; written by the change functions only.

    A tombstone head keeps the digests of the last content: older clients compare them.
    """

    id = models.BigIntegerField(primary_key=True)
    # No constraints in the database for workspace and blob: checking them at each commit, under the workspace lock,
    # cost an eighth of a write. The change functions have read both rows, and a version's own constraint keeps the
    # blob.
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="files"
    )
    path = models.TextField(db_collation="C")
    head = models.BigIntegerField(unique=True, help_text="Change number of the newest version.")
    blob = models.ForeignKey(
        Blob, null=True, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="+"
    )
    sha256 = models.BinaryField()
    md5 = models.BinaryField()
    size_bytes = models.BigIntegerField()
    content_type = models.CharField(max_length=255)
    is_deleted = models.BooleanField()
    changed_at = models.DateTimeField()
    portable_key = models.UUIDField(
        null=True, help_text="Of the case- and NFC-folded path, while the workspace asks for it."
    )

    class Meta:
        constraints = [
            # The only index that begins with the workspace: a second one misleads the planner on stale statistics.
            models.UniqueConstraint(name="file_path_once_per_workspace", fields=["workspace", "path"]),
            models.CheckConstraint(
                name="file_tombstone_has_no_blob",
                condition=Q(is_deleted=True, blob=None) | Q(is_deleted=False, blob__isnull=False),
            ),
        ]
        indexes = [
            # Twins of a path in workspaces with `portable_names`.
            models.Index(name="file_portable_key", fields=["portable_key"], condition=Q(portable_key__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.path


class FileVersion(models.Model):
    """One state of one path, keyed by its change number. A tombstone has no blob. Never updated, only superseded."""

    id = models.BigIntegerField(primary_key=True)
    file = models.ForeignKey(File, on_delete=models.PROTECT, db_index=False, related_name="versions")
    blob = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, db_index=False, related_name="versions")
    content_type = models.CharField(max_length=255)
    size_bytes = models.BigIntegerField()
    changed_at = models.DateTimeField()
    parent = models.BigIntegerField(null=True, help_text="Change number of the version before.")

    class Meta:
        indexes = [
            # History of a path, and its state as of a sequence.
            models.Index(name="fileversion_file", fields=["file", "id"]),
            # Which blobs are still needed.
            models.Index(name="fileversion_blob", fields=["blob"], condition=Q(blob__isnull=False)),
        ]


class ChangeSet(models.Model):
    """Versions written together: the numbers from `id` to `last`, without gaps. The audit record of files."""

    id = models.BigIntegerField(primary_key=True)
    last = models.BigIntegerField()
    origin = models.CharField(max_length=16, choices=Origin)
    actor = models.CharField(max_length=200)
    message = models.CharField(max_length=1000, blank=True)
    put_count = models.IntegerField()
    delete_count = models.IntegerField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="changeset_origin_known", condition=Q(origin__in=Origin.values)),
            models.CheckConstraint(name="changeset_numbers_ordered", condition=Q(last__gte=models.F("id"))),
        ]


class Hold(models.Model):
    """History as of this sequence must stay, for whoever holds it."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, db_index=False, related_name="holds")
    sequence = models.BigIntegerField()
    holder = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="hold_once_per_holder", fields=["workspace", "holder"])]


class FeedCheckpoint(models.Model):
    """How far a server-side reader of the feed has come."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, db_index=False, related_name="+")
    consumer = models.CharField(max_length=64)
    sequence = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="feedcheckpoint_once_per_consumer", fields=["workspace", "consumer"])
        ]


class DatabaseIdentity(models.Model):
    """The Postgres cluster and timeline that this database was last seen on. One row."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    system_identifier = models.CharField(max_length=32)
    timeline = models.BigIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(name="databaseidentity_one_row", condition=Q(id=1))]
