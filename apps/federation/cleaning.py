"""Takes out what is too old, and what belongs to workspaces that are gone."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from apps.federation import sql
from apps.federation.actions import expire_summaries
from apps.federation.models import Federation, FederationCounter, Peer, Publication, Pull
from apps.jobs.runs import JobRun

KIND = "federation.clean"
EVERY_S = 3600
PULLS_KEPT = timedelta(days=90)
GONE = Q(workspace__purged_at__isnull=False)


def clean(run: JobRun) -> dict[str, int]:
    """How many agents and summaries went for their age, how many pulls, and of how many workspaces everything."""
    counts = {"agents": 0, "summaries": 0, "workspaces": 0}
    now = timezone.now()
    aging = Federation.objects.filter(expire_days__isnull=False, workspace__archived_at=None).order_by("pk")
    for federation in aging:
        run.check()
        agents, summaries = expire_summaries(federation.pk, before=now - timedelta(days=federation.expire_days or 0))
        counts["agents"] += agents
        counts["summaries"] += summaries
    for counter in FederationCounter.objects.filter(GONE).order_by("pk"):
        run.check()
        sql.reset(counter.pk)
        counter.delete()
        counts["workspaces"] += 1
    for model in (Federation, Publication, Peer):
        model.objects.filter(GONE).delete()
    counts["pulls"], _ = Pull.objects.filter(Q(pulled_at__lt=now - PULLS_KEPT) | GONE).delete()
    return counts
