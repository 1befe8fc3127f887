"""What agents say they know about. Summaries are kept as they came; topics and labels are what they add up to.

Agents, summaries, topics, labels and the counter are written by the functions in `sql.py` only, which lock the
workspace's counter row first.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from apps.common.ids import uuid7
from apps.workspaces.models import Workspace


class MergeMode(models.TextChoices):
    NEWEST = "newest", "the newest summary of each agent"
    SUM = "sum", "the sum of all summaries, as the stock coordinator"


class Federation(models.Model):
    """How a workspace merges and shows what its agents push. No row: all defaults."""

    workspace = models.OneToOneField(
        Workspace, on_delete=models.CASCADE, primary_key=True, related_name="federation", db_index=False
    )
    mode = models.CharField(max_length=6, choices=MergeMode, default=MergeMode.NEWEST)
    min_agents = models.PositiveIntegerField(
        default=1, help_text="A topic or label shows when so many agents sent it: k-anonymity."
    )
    label_key = models.TextField(
        blank=True, help_text="Encrypted. Where there is one, labels are kept as their HMAC-SHA-256 by it."
    )
    expire_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Summaries go so many days after they came. Empty: never."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(name="federation_mode_known", condition=Q(mode__in=MergeMode.values)),
            models.CheckConstraint(name="federation_min_agents_positive", condition=Q(min_agents__gte=1)),
            models.CheckConstraint(
                name="federation_expire_days_positive", condition=Q(expire_days=None) | Q(expire_days__gte=1)
            ),
        ]


class FederationCounter(models.Model):
    """The row that every push locks. `revision` grows whenever the merged view changes, or how it is shown."""

    workspace = models.OneToOneField(
        Workspace, on_delete=models.CASCADE, primary_key=True, related_name="federation_counter", db_index=False
    )
    revision = models.BigIntegerField(default=0)
    pushes = models.BigIntegerField(default=0, help_text="Summaries accepted since the last reset; repeats are none.")
    agents = models.IntegerField(default=0, help_text="Those that have something in the merged view.")
    last_at = models.DateTimeField(null=True, help_text="The greatest instant of a summary in the view.")
    last_text = models.TextField(blank=True, help_text="As its agent wrote it.")
    started_at = models.DateTimeField(help_text="Of the first push since the last reset.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="federationcounter_not_negative", condition=Q(revision__gte=0, pushes__gte=0, agents__gte=0)
            ),
        ]


class Agent(models.Model):
    """Somebody who pushes. Two owners' agents of the same name are two: in containers the stock client's often are."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="agents", db_index=False)
    owner = models.CharField(max_length=200, help_text="Whose token pushed: a user, or the token itself.")
    name = models.CharField(max_length=200, help_text="As the agent calls itself, its agent_id.", db_collation="C")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(help_text="Of its last push; a repeat that adds nothing is none.")
    pushes = models.IntegerField(default=0)
    newest_at = models.DateTimeField(help_text="The instant of its newest summary.")
    newest_text = models.TextField(help_text="As the agent wrote it.")
    topics = ArrayField(models.TextField(), help_text="What it has in the merged view, with `counts` beside it.")
    counts = ArrayField(models.DecimalField(max_digits=40, decimal_places=0))
    labels = ArrayField(models.TextField())

    class Meta:
        constraints = [
            models.UniqueConstraint(name="agent_once_per_owner", fields=["workspace", "owner", "name"]),
        ]

    def __str__(self) -> str:
        return self.name


class Summary(models.Model):
    """One accepted push. Rows are never updated."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="summaries", db_index=False)
    received_at = models.DateTimeField()
    client_text = models.TextField(help_text="The time as the agent wrote it.")
    client_at = models.DateTimeField(help_text="The same as an instant. Without an offset it is taken for UTC.")
    counts_from = models.DateTimeField(help_text="`client_at`, but at most 5 minutes after `received_at`.")
    digest = models.BinaryField(help_text="SHA-256 of what was sent, in one spelling.")
    topics = ArrayField(models.TextField())
    counts = ArrayField(models.BigIntegerField())
    labels = ArrayField(models.TextField(), help_text="Each once, as they are kept: in clear, or as an HMAC.")
    clear_labels = models.IntegerField(help_text="How many were sent as something other than 64 hex digits.")
    metadata = models.JSONField(null=True)

    class Meta:
        constraints = [
            # Also finds a repeat.
            models.UniqueConstraint(name="summary_once_per_agent", fields=["agent", "digest"]),
            models.CheckConstraint(name="summary_counts_beside_topics", condition=Q(topics__len=F("counts__len"))),
        ]


class Topic(models.Model):
    """What the agents of a workspace add up to on one topic."""

    pk = models.CompositePrimaryKey("workspace_id", "topic")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="topics", db_index=False)
    topic = models.TextField(db_collation="C")
    total = models.DecimalField(max_digits=40, decimal_places=0)
    agents = models.IntegerField()


class Label(models.Model):
    """A label that agents of a workspace have sent."""

    pk = models.CompositePrimaryKey("workspace_id", "label")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="labels", db_index=False)
    label = models.TextField(db_collation="C")
    agents = models.IntegerField()
