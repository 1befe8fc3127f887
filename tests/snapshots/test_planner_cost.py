"""What the planner costs when there is nothing to do, and how it looks things up."""

import json
import re

import pytest
from django.db import connection

from apps.snapshots import plan_sql, planning
from apps.snapshots.models import (
    CopyState,
    RemoteCopy,
    RemoteTarget,
    Repository,
    Snapshot,
    SnapshotPolicy,
)
from apps.workspaces.models import Workspace, WorkspaceCounter
from tests.files.client import statements_sent
from tests.snapshots.moments import (
    DAY,
    HOUR,
    NOW,
    claimed,
    target,
    workspace,
)

__all__ = ["target", "workspace"]
pytestmark = pytest.mark.django_db

STATEMENTS = 7
"""Of a run with nothing to do: one for each thing that it looks for."""


def many_policies(count: int, target: RemoteTarget) -> None:
    """Workspaces with everything switched on, and a whole copy each; nothing is due."""
    workspaces = Workspace.objects.bulk_create(
        Workspace(slug=f"many-{target.name}-{number}-{Workspace.objects.count()}") for number in range(count)
    )
    WorkspaceCounter.objects.bulk_create(WorkspaceCounter(workspace=each, last_sequence=1) for each in workspaces)
    SnapshotPolicy.objects.bulk_create(
        SnapshotPolicy(
            workspace=each,
            target=target,
            schedule="every 1h",
            next_run_at=NOW + HOUR,
            after_changes=True,
            noticed_sequence=1,
        )
        for each in workspaces
    )
    repositories = Repository.objects.bulk_create(
        Repository(target=target, workspace=each, first_start_at=NOW) for each in workspaces
    )
    snapshots = Snapshot.objects.bulk_create(
        Snapshot(
            workspace=each,
            name="auto",
            kind="scheduled",
            sequence=1,
            files=1,
            size_bytes=1,
            actor="system",
            created_at=NOW,
        )
        for each in workspaces
    )
    RemoteCopy.objects.bulk_create(
        RemoteCopy(
            repository=repository,
            snapshot=snapshot,
            name="auto",
            writer=repository.writer,
            kind="scheduled",
            state=CopyState.SEALED,
            sequence=1,
            created_at=NOW,
            sealed_at=NOW,
        )
        for repository, snapshot in zip(repositories, snapshots, strict=True)
    )


def test_with_nothing_to_do_a_run_costs_the_same_for_one_policy_and_for_many(target: RemoteTarget) -> None:
    run = claimed(planning.KIND)
    for count in (1, 200):
        many_policies(count, target)
        with statements_sent() as sent_to_database:
            assert not any(planning.plan(run, now=NOW).values())

        assert len(sent_to_database) == STATEMENTS


def test_with_repositories_that_were_looked_at_lately_a_run_costs_the_same(target: RemoteTarget) -> None:
    run = claimed(planning.KIND)
    for count in (1, 200):
        many_policies(count, target)
        SnapshotPolicy.objects.update(next_run_at=NOW + 90 * DAY)
        Repository.objects.update(sample_asked_at=NOW + 3 * DAY, trial_asked_at=NOW + 2 * DAY)
        with statements_sent() as sent_to_database:
            assert not any(planning.plan(run, now=NOW + 6 * DAY).values())

        assert len(sent_to_database) == STATEMENTS


LONG = {"jobs_job", "snapshots_remotecopy", "snapshots_snapshot", "files_changeset"}
PLANS = {
    "_OWED": {"with_settings": True},
    "_FAILED": {"with_settings": True},
    "_STANDINGS": {"workspace": None},
}


@pytest.mark.parametrize("statement", PLANS)
def test_the_planner_looks_up_jobs_copies_and_snapshots_by_index(statement: str, target: RemoteTarget) -> None:
    many_policies(20, target)
    with connection.cursor() as cursor:
        cursor.execute(HISTORY, {"then": NOW - DAY})
        for table in sorted(LONG):
            cursor.execute(f"ANALYZE {table}")
        # These are not so long here that an index must look cheaper, whatever test came before.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + getattr(plan_sql, statement), PLANS[statement])
        plan = json.dumps(cursor.fetchone()[0])

    scanned = set(re.findall(r'"Node Type": "Seq Scan"[^{}]*?"Relation Name": "(\w+)"', plan))
    assert scanned & LONG == set()


HISTORY = """
INSERT INTO snapshots_snapshot (public_id, workspace_id, name, kind, sequence, files, size_bytes, message, tags,
                                is_pinned, actor, created_at)
SELECT gen_random_uuid(), workspace_id, 'old' || n, 'scheduled', 1, 1, 1, '', '{}', false, 'system', %(then)s
  FROM snapshots_repository, generate_series(1, 200) n;
INSERT INTO snapshots_remotecopy (public_id, repository_id, snapshot_id, name, writer, kind, state, sequence, files,
                                  size_bytes, new_bytes, reused_bytes, sent_bytes, message, tags, is_pinned,
                                  manifest_sha256, manifest_bytes, verify_mode, damage, vector, created_at, sealed_at)
SELECT gen_random_uuid(), r.id, s.id, s.name, r.writer, s.kind,
       CASE s.name WHEN 'old1' THEN 'uploading' ELSE 'sealed' END,
       1, 1, 1, 0, 0, 0, '', '{}', false, '', 0, '', '', '{}', s.created_at,
       CASE s.name WHEN 'old1' THEN NULL ELSE now() END
  FROM snapshots_repository r JOIN snapshots_snapshot s ON s.workspace_id = r.workspace_id AND s.name LIKE 'old%%';
INSERT INTO jobs_job (public_id, workspace_id, kind, subject, state, next_run_at, fence, attempts, max_attempts,
                      progress_done, progress_note, rerun_actor, rerun_request_id, actor, request_id, error_code,
                      error_detail, created_at, finished_at)
SELECT gen_random_uuid(), r.workspace_id, 'snapshots.upload', c.public_id::text,
       CASE c.state WHEN 'sealed' THEN 'succeeded' ELSE 'failed' END, now(), 1, 1, 8, 0, '', '', '', '', '', '', '',
       now(), now()
  FROM snapshots_remotecopy c JOIN snapshots_repository r ON r.id = c.repository_id;
INSERT INTO files_changeset (id, last, origin, actor, message, put_count, delete_count, created_at)
SELECT workspace_id << 40 | n, workspace_id << 40 | n, 'put', 'test', '', 1, 0, now()
  FROM snapshots_repository, generate_series(1, 300) n;
"""
"""A long history of each repository: snapshots, whole copies, one that failed, jobs, changes."""
