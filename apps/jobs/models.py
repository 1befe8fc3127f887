from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.common.ids import uuid7
from apps.workspaces.models import Workspace


class JobState(models.TextChoices):
    """queued -> running -> succeeded | failed | queued (a later attempt, or a lease that ran out).

    queued | running -> cancelled. failed | cancelled -> queued, when somebody asks for a retry.
    """

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_STATES = (JobState.QUEUED, JobState.RUNNING)


class Job(models.Model):
    """Work that is longer than a request. The row is the truth; the broker only rings."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    kind = models.CharField(max_length=64)
    subject = models.CharField(max_length=200, help_text="Key of what the worker works on, as its kind reads it.")
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.CASCADE, related_name="jobs")
    state = models.CharField(max_length=16, choices=JobState, default=JobState.QUEUED)
    next_run_at = models.DateTimeField(help_text="Not before this time.")
    lease_until = models.DateTimeField(null=True, help_text="A running job whose lease is over is queued again.")
    fence = models.BigIntegerField(default=0, help_text="Grows with each claim; a worker with an older one is out.")
    attempts = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(default=8)
    progress_done = models.BigIntegerField(default=0)
    progress_total = models.BigIntegerField(null=True)
    progress_note = models.CharField(max_length=200, blank=True)
    cancel_requested_at = models.DateTimeField(null=True)
    rerun_at = models.DateTimeField(null=True, help_text="Asked for again while it ran: not before this time.")
    rerun_actor = models.CharField(max_length=200, blank=True)
    rerun_request_id = models.CharField(max_length=128, blank=True)
    actor = models.CharField(max_length=200, blank=True)
    request_id = models.CharField(max_length=128, blank=True)
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)
    result = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="job_state_known", condition=Q(state__in=JobState.values)),
            models.CheckConstraint(
                name="job_running_has_lease", condition=~Q(state="running") | Q(lease_until__isnull=False)
            ),
            models.CheckConstraint(
                name="job_finished_has_time",
                condition=Q(state__in=["queued", "running"], finished_at=None)
                | Q(state__in=["succeeded", "failed", "cancelled"], finished_at__isnull=False),
            ),
            # Enqueueing the same work twice while it waits or runs is one job.
            models.UniqueConstraint(
                name="job_one_open_per_subject",
                fields=["kind", "subject"],
                condition=Q(state__in=["queued", "running"]),
            ),
        ]
        indexes = [
            # Due jobs, in the order they are claimed.
            models.Index(name="job_due", fields=["next_run_at"], condition=Q(state="queued")),
            # Running jobs whose lease ran out.
            models.Index(name="job_lease", fields=["lease_until"], condition=Q(state="running")),
            # The job list of one workspace, newest first.
            models.Index(name="job_workspace", fields=["workspace", "-id"]),
            # Has a periodic kind run of late? By time: asked for the newest of a kind that never ran, the planner walks
            # the whole table backwards (120 ms at 200,000 rows, measured).
            models.Index(name="job_periodic", fields=["kind", "created_at"], condition=Q(subject="")),
            # The clean-up of finished jobs.
            models.Index(name="job_finished", fields=["finished_at"], condition=Q(finished_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

    @property
    def shown_progress(self) -> str:
        """`3 of 10 (30 %): copying`; empty where the worker has said nothing."""
        if self.progress_total:
            percent = 100 * self.progress_done // self.progress_total
            share = f"{self.progress_done} of {self.progress_total} ({percent} %)"
        else:
            share = str(self.progress_done) if self.progress_done else ""
        return ": ".join(part for part in (share, self.progress_note) if part)


class Tick(models.Model):
    """One row: when the scheduler was last alive. Its lock lets one tick at a time enqueue the periodic kinds."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(name="tick_is_one_row", condition=Q(id=1))]


class WebhookEndpoint(models.Model):
    """An address outside that wants to hear of events in one workspace."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=2000)
    secret = models.TextField(help_text="Signs the deliveries; kept encrypted, shown once.")
    events = ArrayField(models.CharField(max_length=64))
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    failing_since = models.DateTimeField(null=True, help_text="The first failure after the last success.")
    last_error = models.CharField(max_length=200, blank=True)
    last_success_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True, help_text="Switched off by the hub after failing for days.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="webhookendpoint_disabled_is_not_active", condition=Q(disabled_at=None) | Q(active=False)
            ),
        ]

    def __str__(self) -> str:
        return str(self.public_id)


class DeliveryState(models.TextChoices):
    """pending -> delivered | failed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookDelivery(models.Model):
    """One event on its way to one endpoint. Its `public_id` is the `webhook-id` the receiver sees, retries included."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=64)
    payload = models.JSONField()
    state = models.CharField(max_length=16, choices=DeliveryState, default=DeliveryState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    status_code = models.PositiveSmallIntegerField(null=True, help_text="What the receiver answered last.")
    last_error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.CheckConstraint(name="webhookdelivery_state_known", condition=Q(state__in=DeliveryState.values)),
            models.CheckConstraint(
                name="webhookdelivery_finished_has_time",
                condition=Q(state="pending", finished_at=None)
                | Q(state__in=["delivered", "failed"], finished_at__isnull=False),
            ),
        ]
        indexes = [
            # The clean-up of old deliveries.
            models.Index(
                name="webhookdelivery_finished", fields=["finished_at"], condition=Q(finished_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.public_id}"
