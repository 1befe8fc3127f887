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
    noise_epsilon = models.FloatField(
        null=True, blank=True, help_text="What each publication of noisy counts spends. Empty: counts are exact."
    )
    noise_budget = models.FloatField(
        default=10.0, db_default=10.0, help_text="What all publications together may spend."
    )
    noise_bound = models.PositiveIntegerField(
        default=100,
        db_default=100,
        help_text="Each agent's counts are scaled down to this Euclidean length before noise is added.",
    )
    noise_hours = models.PositiveIntegerField(default=24, db_default=24, help_text="Hours between two publications.")

    class Meta:
        constraints = [
            models.CheckConstraint(name="federation_mode_known", condition=Q(mode__in=MergeMode.values)),
            models.CheckConstraint(name="federation_min_agents_positive", condition=Q(min_agents__gte=1)),
            models.CheckConstraint(
                name="federation_noise_epsilon_in_range",
                condition=Q(noise_epsilon=None) | Q(noise_epsilon__gt=0, noise_epsilon__lte=1),
            ),
            models.CheckConstraint(
                name="federation_noise_limits_positive",
                condition=Q(noise_budget__gt=0, noise_bound__gte=1, noise_hours__gte=1),
            ),
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
    labels = ArrayField(models.TextField(), help_text="What it has there too, where `labels_from` is empty.")
    labels_from = models.BigIntegerField(
        null=True, help_text="The summary whose labels it has in the merged view: its newest, where none are summed."
    )

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
        indexes = [
            # An agent's newest summary, now or at an earlier moment.
            models.Index(
                "agent_id",
                F("counts_from").desc(),
                F("received_at").desc(),
                F("id").desc(),
                name="summary_newest_of_agent",
            ),
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


class Publication(models.Model):
    """The counts of a merged view as they were shown once, with noise, and what that has spent.

    Never updated, but by a reset, which empties it and leaves what was spent.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="publications", db_index=False)
    published_at = models.DateTimeField()
    revision = models.BigIntegerField(help_text="Of the merged view that it was made from.")
    epsilon = models.FloatField()
    delta = models.FloatField()
    topics = ArrayField(models.TextField())
    counts = ArrayField(models.BigIntegerField())

    class Meta:
        constraints = [
            models.CheckConstraint(name="publication_spends", condition=Q(epsilon__gt=0, delta__gt=0)),
            models.CheckConstraint(name="publication_counts_beside_topics", condition=Q(topics__len=F("counts__len"))),
        ]
        indexes = [
            # The last one of a workspace, and what all of them have spent.
            models.Index(fields=["workspace", "-id"], name="publication_newest"),
        ]


class Pull(models.Model):
    """That somebody took a revision of the merged view for the first time."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="pulls", db_index=False)
    puller = models.CharField(max_length=200, help_text="As the audit trail names who acts.")
    revision = models.BigIntegerField()
    pulled_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="pull_once_per_revision", fields=["workspace", "puller", "revision"]),
        ]
        indexes = [
            # The latest pulls of a workspace.
            models.Index(fields=["workspace", "-pulled_at"], name="pull_latest"),
            # Those that are too old to keep.
            models.Index(fields=["pulled_at"], name="pull_age"),
        ]


class Peer(models.Model):
    """Another coordinator, a hub's or a stock one, to which a workspace tells what it is about, and which it asks."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="peers", db_index=False)
    name = models.CharField(max_length=64)
    url = models.TextField(help_text="Encrypted: it may hold a token. Of the coordinator, without /push and /pull.")
    token = models.TextField(blank=True, help_text="Encrypted. Sent as `Authorization: Bearer`.")
    pushes = models.BooleanField(default=True, help_text="Tells the peer what the workspace is about.")
    pulls = models.BooleanField(default=True, help_text="Asks the peer for its merged view.")
    folder = models.TextField(blank=True, help_text="Tells only of what lies below it. Empty: of everything.")
    shares_hashes = models.BooleanField(default=False, help_text="Also tells the SHA-256 of each file's content.")
    resend_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Tells the same again so many days later, for peers that forget. Empty: never."
    )
    schedule = models.CharField(max_length=200, blank=True, help_text="A cron line or `every 6h`. Empty for none.")
    timezone = models.CharField(max_length=64, default="UTC")
    next_run_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(editable=False)

    push_digest = models.BinaryField(default=b"", help_text="SHA-256 of what is told, without its time.")
    push_time = models.DateTimeField(null=True, help_text="That goes with it: a retry is the same to the byte.")
    pushed_at = models.DateTimeField(null=True, help_text="When the peer took it in. Empty: it has not yet.")
    pulled_at = models.DateTimeField(null=True, help_text="When the peer last answered, also that nothing is new.")
    pulled_tag = models.TextField(blank=True, help_text="Its ETag.")
    view = models.JSONField(null=True, help_text="The merged view of the peer, as it came.")
    failing_since = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="peer_name_once_per_workspace", fields=["workspace", "name"]),
            models.CheckConstraint(name="peer_does_something", condition=Q(pushes=True) | Q(pulls=True)),
        ]
        indexes = [
            # Which are due.
            models.Index(name="peer_due", fields=["next_run_at"], condition=Q(next_run_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name
