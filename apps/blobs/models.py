from django.db import models
from django.db.models import Q

from apps.workspaces.models import Workspace


class Blob(models.Model):
    """Immutable bytes of one workspace, known by their sha256. Never shared between workspaces.

    Small ones lie in the row (`inline`), large ones in object storage (`object_key`); a small one that was copied
    to the bucket has both while a live file needs it. Written only by the change functions of `files`, the uploader,
    collection, and an upload that brings lost bytes back.
    """

    # No constraint in the database: see `files.File`.
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="blobs"
    )
    sha256 = models.BinaryField()
    md5 = models.BinaryField()
    size_bytes = models.BigIntegerField()
    inline = models.BinaryField(null=True)
    object_key = models.CharField(max_length=200, null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="blob_once_per_workspace", fields=["workspace", "sha256"]),
            models.UniqueConstraint(
                name="blob_object_key_unique", fields=["object_key"], condition=Q(object_key__isnull=False)
            ),
            models.CheckConstraint(
                name="blob_has_bytes", condition=Q(inline__isnull=False) | Q(object_key__isnull=False)
            ),
            models.CheckConstraint(name="blob_size_not_negative", condition=Q(size_bytes__gte=0)),
        ]


class ObjectIntent(models.Model):
    """An object key, written before its bytes and removed by the commit that names it.

    What is left is an orphan: a crash between the upload and the commit, or bytes that turned out to be known.
    """

    object_key = models.CharField(max_length=200, primary_key=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expired_at = models.DateTimeField(
        null=True, help_text="Set before the object is deleted; a commit then refuses the key."
    )

    class Meta:
        indexes = [
            # The sweep of old intents.
            models.Index(name="objectintent_created", fields=["created_at"]),
        ]
