"""What lies in targets beside manifests, as far as this hub has written it."""

from django.db import models
from django.db.models import Q

from apps.snapshots.models.copies import RemoteCopy, Repository


class PackState(models.TextChoices):
    """uploading -> stored <-> lost. A row stands before the object does, and goes before it goes."""

    UPLOADING = "uploading"
    STORED = "stored"
    LOST = "lost", "missing or damaged"


class Pack(models.Model):
    """An object full of chunks that this hub has written. Its name is never used again."""

    repository = models.ForeignKey(Repository, on_delete=models.PROTECT, db_index=False, related_name="packs")
    digest = models.BinaryField()
    salt = models.BinaryField()
    key_id = models.UUIDField(help_text="Of the key that sealed it; all zero for none.")
    state = models.CharField(max_length=16, choices=PackState)
    stored_bytes = models.BigIntegerField(default=0)
    content_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    doomed_at = models.DateTimeField(null=True, help_text="When no copy needed it any more.")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="pack_once_per_repository", fields=["repository", "digest"]),
            models.CheckConstraint(name="pack_state_known", condition=Q(state__in=PackState.values)),
        ]


class PackedChunk(models.Model):
    """Where the target has a chunk of content."""

    repository = models.ForeignKey(
        Repository, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="+"
    )
    sha256 = models.BinaryField()
    pack = models.ForeignKey(Pack, on_delete=models.CASCADE, related_name="chunks")
    index = models.IntegerField()
    size_bytes = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(name="packedchunk_once_per_repository", fields=["repository", "sha256"])]


class CutFile(models.Model):
    """How a large file was cut, so that it is not read again while it stays the same."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, db_index=False, related_name="+")
    sha256 = models.BinaryField()
    chunks = models.BinaryField(help_text="For each chunk its sha256 and its size, as 32 and 4 bytes.")

    class Meta:
        constraints = [models.UniqueConstraint(name="cutfile_once_per_repository", fields=["repository", "sha256"])]


class CopyPack(models.Model):
    """A copy needs a pack, from before its upload relies on it."""

    copy = models.ForeignKey(RemoteCopy, on_delete=models.CASCADE, db_index=False, related_name="pack_links")
    pack = models.ForeignKey(Pack, on_delete=models.PROTECT, related_name="copy_links")

    class Meta:
        constraints = [models.UniqueConstraint(name="copypack_once", fields=["copy", "pack"])]


class DoomedObject(models.Model):
    """An object of a target that no row names any more. Written with the end of its row; goes when the object has."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="doomed_objects")
    name = models.CharField(max_length=300, help_text="In the folder of the repository.")
    created_at = models.DateTimeField()
