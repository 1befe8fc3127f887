from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class User(AbstractUser):
    """A person who signs in to the console. What a user may do in a workspace is a `Membership`."""


class TokenKind(models.TextChoices):
    API = "api", "API token (mh_)"
    PATH = "path", "path token (mhp_), for clients that can send no header"


class ApiToken(models.Model):
    """A bearer token. Only an HMAC of it is kept; the text is shown once, when it is issued."""

    public_id = models.CharField(max_length=12, unique=True, help_text="The 12 characters after the prefix.")
    kind = models.CharField(max_length=8, choices=TokenKind, default=TokenKind.API)
    digest = models.BinaryField(help_text="HMAC-SHA-256 of the whole token.")
    key_id = models.CharField(max_length=16, help_text="Which key made the digest.")
    name = models.CharField(max_length=200, blank=True)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="tokens")
    scopes = ArrayField(models.CharField(max_length=32))
    is_operator_issued = models.BooleanField(
        default=False, help_text="Without a user: acts as the operator. No token that another token asked for."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="Written at most once a minute.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="apitoken_kind_known", condition=Q(kind__in=TokenKind.values)),
            models.CheckConstraint(
                name="apitoken_operator_or_user", condition=Q(is_operator_issued=False) | Q(user=None)
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.public_id


class IdempotencyKey(models.Model):
    """The answer to a creating request, kept 24 hours so that a retry gets the same one."""

    actor = models.CharField(max_length=200)
    key = models.CharField(max_length=200)
    fingerprint = models.BinaryField(help_text="SHA-256 of method, path and body.")
    status = models.PositiveSmallIntegerField(null=True, help_text="Null while the first request runs.")
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="idempotencykey_once_per_actor", fields=["actor", "key"]),
        ]
        indexes = [
            # The daily clean-up of old keys.
            models.Index(name="idempotencykey_created", fields=["created_at"]),
        ]


class AuditEvent(models.Model):
    """Who changed membership, tokens, identities or settings. Rows are never updated."""

    at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=64)
    workspace_id = models.BigIntegerField(null=True, help_text="A plain number: the audit trail outlives the row.")
    subject = models.CharField(max_length=200, blank=True)
    details = models.JSONField(default=dict)
    request_id = models.CharField(max_length=128, blank=True)

    class Meta:
        indexes = [
            # The audit list of one workspace, newest first.
            models.Index(name="auditevent_workspace", fields=["workspace_id", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"
