"""What agents have pushed outlives a change of how it is kept."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from apps.common.ids import uuid7
from apps.federation.actions import configure_federation
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.federation.reference import merged
from tests.federation.test_merging import DAY, pushes_of, summary, view_of

LABELS_TWICE = "0002_merge_functions"


def migrate_federation(to: str | None = None) -> None:
    """To the newest without a name."""
    executor = MigrationExecutor(connection)
    targets = executor.loader.graph.leaf_nodes("federation")
    # No table is altered while a check of one of its rows is put off.
    connection.check_constraints()
    executor.migrate([("federation", to)] if to else targets)


def push_of_each(workspace: Workspace, day: int) -> None:
    """By the statement alone: the rest of the hub knows columns that are not there before a migration."""
    for name in ("x", "y"):
        labels = [f"{name}-{day}", "both", f"both-{day}"]
        sent = summary(name, DAY + timedelta(day), {"a": day, f"{day}": 1}, labels)
        values = (sent.client_text, sent.client_at, sent.digest, list(sent.topics), list(sent.topics.values()))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT federation_push_v1(%s, %s, 'token:a', %s, %s, %s, %s, %s, %s, %s, 3, NULL)",
                [workspace.pk, uuid7(), name, *values, labels],
            )


@pytest.mark.parametrize("mode", ["newest", "sum"])
def test_pushes_before_and_after_a_migration_add_up_and_so_they_do_back_again(db: None, mode: str) -> None:
    workspace = make_workspace()
    configure_federation(workspace, {"mode": mode}, actor=ACTOR)
    for day in (1, 3):
        migrate_federation(LABELS_TWICE)
        push_of_each(workspace, day)
        migrate_federation()
        assert view_of(workspace) == merged(pushes_of(workspace), mode=mode)

        push_of_each(workspace, day + 1)
        assert view_of(workspace) == merged(pushes_of(workspace), mode=mode)
