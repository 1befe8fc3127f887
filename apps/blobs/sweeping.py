"""Deletes objects that no row names: uploads that never got their commit, and what collection let go."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from apps.blobs.models import ObjectIntent
from apps.blobs.objects import clear_spool, delete_object
from apps.common.errors import Unavailable
from apps.jobs.runs import JobRun

KIND = "blobs.sweep"
EVERY_S = 3600
GRACE = timedelta(hours=24)
AT_ONCE = 200
MOST_REFUSED = 50


def sweep_objects(run: JobRun) -> dict[str, int]:
    """Finds orphans by their intents, without listing the bucket. Safe to run twice and to kill anywhere.

    One that cannot be deleted holds up no other; then the run is tried again later. Raises `Unavailable`.
    """
    swept, refused = 0, set[str]()
    while keys := expired_keys(timezone.now(), without=refused):
        for key in keys:
            run.check()
            try:
                delete_object(key)
            except Unavailable:
                refused.add(key)
                if len(refused) == MOST_REFUSED:
                    raise
                continue
            ObjectIntent.objects.filter(object_key=key).delete()
            swept += 1
        run.progress(swept)
    spool_files = clear_spool(older_than_s=GRACE.total_seconds())
    if refused:
        raise Unavailable("The blob storage failed to delete some objects.")
    return {"swept": swept, "spool_files": spool_files}


def expired_keys(now: datetime, *, without: Collection[str] = ()) -> list[str]:
    """Marks intents older than a day as expired, so that no commit can name them any more, and returns some."""
    due = Q(expired_at__isnull=False) | Q(created_at__lt=now - GRACE)
    intents = ObjectIntent.objects.filter(due).exclude(object_key__in=without).order_by("created_at")
    keys = list(intents.values_list("object_key", flat=True)[:AT_ONCE])
    ObjectIntent.objects.filter(object_key__in=keys, expired_at=None).update(expired_at=now)
    return list(ObjectIntent.objects.filter(object_key__in=keys).values_list("object_key", flat=True))
