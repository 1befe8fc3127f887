"""Noticing that the database went back in time, so that no number is given out twice."""

import structlog
from django.db import connection, transaction

from apps.files.models import DatabaseIdentity
from apps.jobs.runs import JobRun

logger = structlog.get_logger(__name__)

KIND = "files.watch_database"
EVERY_S = 60

SEQUENCE_JUMP = 2**30
"""Further than any workspace writes between a backup and its restore."""


def renew_epochs() -> int:
    """Gives every workspace a new epoch and moves its sequence far ahead; how many.

    Clients then meet 410 `epoch_changed`, compare in full and delete nothing. For after a restore from a backup.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE workspaces_workspacecounter SET last_sequence = last_sequence + %s", [SEQUENCE_JUMP])
        cursor.execute("UPDATE workspaces_workspace SET epoch = gen_random_uuid()")
        return cursor.rowcount


def watch_database(run: JobRun) -> dict[str, bool]:
    """The same look while the hub runs: a promoted replica takes over connections without a start."""
    return {"renewed": notice_restored_database()}


def notice_restored_database() -> bool:
    """Renews the epochs when this is another Postgres cluster or timeline than the last start saw. At each start.

    A copy of the data directory keeps both, so that restoring one needs `memoryhub epoch renew`.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT system_identifier::text, (SELECT timeline_id FROM pg_control_checkpoint()) FROM pg_control_system()"
        )
        system_identifier, timeline = cursor.fetchone()
        known, is_new = DatabaseIdentity.objects.select_for_update().get_or_create(
            id=1, defaults={"system_identifier": system_identifier, "timeline": timeline}
        )
        if is_new or (known.system_identifier, known.timeline) == (system_identifier, timeline):
            return False
        known.system_identifier, known.timeline = system_identifier, timeline
        known.save(update_fields=["system_identifier", "timeline"])
        renewed = renew_epochs()
    logger.warning("epochs_renewed", workspaces=renewed, reason="another cluster or timeline")
    return True
