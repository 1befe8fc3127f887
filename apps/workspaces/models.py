from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.accounts.models import ApiToken
from apps.common.ids import uuid7


class Role(models.TextChoices):
    """Each role may do all that those before it may."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"
    OWNER = "owner"


class IdentityProvider(models.TextChoices):
    HEARE = "heare"
    GITHUB = "github"


class Workspace(models.Model):
    """One tenant. Its bigint key is for arithmetic inside the house; the world sees `public_id` and `slug`."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    slug = models.CharField(max_length=63, unique=True, help_text="Part of every address. Never changes, never reused.")
    name = models.CharField(max_length=200, blank=True)
    epoch = models.UUIDField(default=uuid4, editable=False, help_text="Changes when the database went back in time.")
    purged_sequence = models.BigIntegerField(default=0, editable=False, help_text="Tombstones up to here may be gone.")
    history_floor = models.BigIntegerField(default=0, editable=False, help_text="Versions up to here may be gone.")
    quota_files = models.BigIntegerField(null=True, blank=True, help_text="Most live files.")
    quota_live_bytes = models.BigIntegerField(null=True, blank=True, help_text="Most bytes in live files.")
    quota_stored_bytes = models.BigIntegerField(null=True, blank=True, help_text="Most bytes kept, history included.")
    history_days = models.PositiveIntegerField(null=True, blank=True, help_text="Empty keeps every version for ever.")
    tombstone_days = models.PositiveIntegerField(null=True, blank=True, help_text="Empty keeps tombstones for ever.")
    portable_names = models.BooleanField(default=False, help_text="Refuse names that clash on Windows or macOS.")
    cors_origins = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    purged_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(name="workspace_key_fits_change_number", condition=Q(id__gt=0, id__lt=2**23)),
            models.CheckConstraint(name="workspace_slug_form", condition=Q(slug__regex=r"^[a-z0-9][a-z0-9-]{0,62}$")),
            models.CheckConstraint(
                name="workspace_purged_means_archived", condition=Q(purged_at=None) | Q(archived_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class WorkspaceCounter(models.Model):
    """The row that every write of a workspace locks: the sequence, and sums kept under the same lock.

    A table of its own with a low fill factor, so that its updates stay in the page and no form can write an
    old number back. Only the change functions of `files` and blob collection write it.
    """

    workspace = models.OneToOneField(Workspace, primary_key=True, on_delete=models.CASCADE, related_name="counter")
    last_sequence = models.BigIntegerField(default=0)
    live_files = models.BigIntegerField(default=0)
    live_bytes = models.BigIntegerField(default=0)
    stored_bytes = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(name="workspacecounter_sequence_fits", condition=Q(last_sequence__lt=2**40)),
            models.CheckConstraint(
                name="workspacecounter_sums_not_negative",
                condition=Q(live_files__gte=0, live_bytes__gte=0, stored_bytes__gte=0),
            ),
        ]


class Membership(models.Model):
    """What a user may do in a workspace. No row, no access."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="membership_once_per_user", fields=["workspace", "user"]),
            models.CheckConstraint(name="membership_role_known", condition=Q(role__in=Role.values)),
        ]


class TokenGrant(models.Model):
    """Lets a token into a workspace, with the token's scopes. A user's token is also bound by the user's role."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="grants")
    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="grants")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="tokengrant_once_per_workspace", fields=["token", "workspace"])]


class ExternalIdentity(models.Model):
    """Somebody known to an outside token checker, let into one workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="identities")
    provider = models.CharField(max_length=16, choices=IdentityProvider)
    subject = models.CharField(max_length=200, help_text="The checker's stable id of the key or account.")
    scopes = ArrayField(models.CharField(max_length=32))
    user_folder = models.CharField(max_length=255, blank=True, help_text="Folder that surfaces with one user each see.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="externalidentity_once_per_workspace", fields=["provider", "subject", "workspace"]
            ),
            models.CheckConstraint(
                name="externalidentity_provider_known", condition=Q(provider__in=IdentityProvider.values)
            ),
        ]
