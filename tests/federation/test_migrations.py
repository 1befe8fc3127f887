"""What agents have pushed outlives a change of how it is kept."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from apps.federation.actions import configure_federation, push_summary
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
    for name in ("x", "y"):
        labels = [f"{name}-{day}", "both", f"both-{day}"]
        push_summary(workspace, summary(name, DAY + timedelta(day), {"a": day, f"{day}": 1}, labels), actor=ACTOR)


@pytest.mark.parametrize("mode", ["newest", "sum"])
def test_pushes_before_and_after_a_migration_add_up_and_so_they_do_back_again(db: None, mode: str) -> None:
    migrate_federation(LABELS_TWICE)
    workspace = make_workspace()
    configure_federation(workspace, {"mode": mode}, actor=ACTOR)
    push_of_each(workspace, 1)
    views = [view_of(workspace)]

    migrate_federation()
    assert view_of(workspace) == views[0] == merged(pushes_of(workspace), mode=mode)
    push_of_each(workspace, 2)
    assert view_of(workspace) == merged(pushes_of(workspace), mode=mode)

    migrate_federation(LABELS_TWICE)
    push_of_each(workspace, 3)
    found = view_of(workspace)
    migrate_federation()
    assert found == merged(pushes_of(workspace), mode=mode)
