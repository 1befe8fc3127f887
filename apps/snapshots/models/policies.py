"""When snapshots are made and sent, and which of them stay."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from apps.snapshots.models.copies import RemoteTarget, Repository
from apps.workspaces.models import Workspace


class ForkRule(models.TextChoices):
    """What becomes of a target's newest copy here when it and this workspace have gone different ways."""

    REFUSE = "refuse"
    NEWEST = "newest"
    MERGE = "merge", "merge by file"


class SnapshotPolicy(models.Model):
    """When a workspace is snapshotted by itself, and where the snapshots go."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, related_name="snapshot_policy")
    target = models.ForeignKey(RemoteTarget, null=True, blank=True, on_delete=models.PROTECT, related_name="policies")
    schedule = models.CharField(max_length=200, blank=True, help_text="A cron line or `every 6h`. Empty for none.")
    timezone = models.CharField(max_length=64, default="UTC")
    jitter_s = models.PositiveIntegerField(default=0)
    skip_unchanged = models.BooleanField(default=True)
    next_run_at = models.DateTimeField(null=True, editable=False)
    after_changes = models.BooleanField(default=False, help_text="Also some time after each change.")
    quiet_s = models.PositiveIntegerField(default=30, help_text="Seconds without a change before that.")
    longest_s = models.PositiveIntegerField(default=600, help_text="But not longer than this after the first change.")
    noticed_sequence = models.BigIntegerField(default=0, editable=False)
    changed_since = models.DateTimeField(null=True, editable=False)
    changed_last = models.DateTimeField(null=True, editable=False)
    restore_when_empty = models.BooleanField(default=True, help_text="At its first start, from the target.")
    on_fork = models.CharField(max_length=16, choices=ForkRule, default=ForkRule.REFUSE)
    verify_every_days = models.PositiveIntegerField(default=7, help_text="Reads a sample back. 0 for never.")
    trial_every_days = models.PositiveIntegerField(
        default=30, help_text="Restores all of it into a scratch area. 0 for never."
    )
    alarm_after_hours = models.PositiveIntegerField(
        default=0, help_text="Alarm when the newest copy is older. 0 for never."
    )

    class Meta:
        verbose_name_plural = "snapshot policies"
        constraints = [
            models.CheckConstraint(name="snapshotpolicy_on_fork_known", condition=Q(on_fork__in=ForkRule.values)),
            models.CheckConstraint(name="snapshotpolicy_waits_ordered", condition=Q(longest_s__gte=F("quiet_s"))),
        ]
        indexes = [
            # Which are due.
            models.Index(name="snapshotpolicy_due", fields=["next_run_at"], condition=Q(next_run_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"policy of {self.workspace_id}"


KEPT_UNITS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")


class RetentionRule(models.Model):
    """Which snapshots of a workspace stay: its own, or those in one repository."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, db_index=False, related_name="retention_rules")
    repository = models.ForeignKey(
        Repository, null=True, blank=True, on_delete=models.CASCADE, related_name="retention_rules"
    )
    keep_last = models.IntegerField(default=0)
    keep_hourly = models.IntegerField(default=0)
    keep_daily = models.IntegerField(default=0)
    keep_weekly = models.IntegerField(default=0)
    keep_monthly = models.IntegerField(default=0)
    keep_yearly = models.IntegerField(default=0)
    keep_within = models.CharField(max_length=32, blank=True, help_text="As 30d or 1y6m.")
    keep_tags = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    timezone = models.CharField(max_length=64, default="UTC")
    grace_hours = models.PositiveIntegerField(default=24, help_text="Between letting a snapshot go and deleting it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="retentionrule_once", fields=["workspace", "repository"], nulls_distinct=False
            ),
            models.CheckConstraint(
                name="retentionrule_counts_known",
                condition=Q(**{f"keep_{unit}__gte": -1 for unit in KEPT_UNITS}),
            ),
        ]
