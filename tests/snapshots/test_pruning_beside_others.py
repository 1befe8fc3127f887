"""Pruning beside targets that refuse, and beside others who want what goes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from apps.accounts.models import AuditEvent
from apps.common.errors import DomainError
from apps.jobs.models import JobState
from apps.snapshots import pruning
from apps.snapshots.actions import create_snapshot, pin_snapshot
from apps.snapshots.alarms import alarms
from apps.snapshots.copies import pin_copy, request_upload
from apps.snapshots.errors import CopyBusy, NotRestorable, RestoreInProgress
from apps.snapshots.models import (
    CopyState,
    Pack,
    RemoteCopy,
    RemoteTarget,
    Restore,
    RestoreState,
    Snapshot,
)
from apps.snapshots.places.errors import DeleteRefused, TargetUnavailable
from apps.snapshots.removals import begin_removal, delete_copy
from apps.snapshots.restores import request_restore
from apps.snapshots.sql import link_packs
from apps.snapshots.targets import add_target, change_target
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.fakes.s3_rights import S3WithRights
from tests.snapshots.moments import (
    DAY,
    NOW,
    claimed,
    copies,
    doomed_names,
    end_upload,
    keep,
    names,
    prune,
    snapshots,
    target,
    workspace,
)
from tests.snapshots.places.conftest import BUCKET, COLLECTOR, OWNER, SECRET, rights
from tests.snapshots.work import (
    directory_target,
    fill,
    manifests_in,
    place_for,
    restored,
    uploaded,
)
from tests.waiting import wait_until

__all__ = ["rights", "target", "workspace"]
pytestmark = pytest.mark.django_db

OVER = NOW + DAY
"""When the grace time of what was doomed at NOW has passed."""


# --- Targets that refuse


@pytest.fixture
def keys_of(rights: S3WithRights) -> Callable[[str], dict[str, str]]:
    return lambda access_key: {"access_key": access_key, "secret_key": SECRET}


def test_where_nothing_may_be_deleted_all_else_is_done_and_told(
    workspace: Workspace, rights: S3WithRights, keys_of: Callable[[str], dict[str, str]]
) -> None:
    options = {"bucket": BUCKET, "prefix": f"x{uuid4().hex}", "endpoint_url": rights.url}
    bucket = add_target("bucket", kind="s3", options=options, secrets=keys_of(COLLECTOR), actor=ACTOR)
    *_, last = copies(workspace, bucket)
    keep(workspace, 1, grace_hours=0)
    keep(workspace, 1, last.repository, grace_hours=0)

    result = prune(workspace, now=NOW)

    assert result == {"doomed": 4, "deleted": 2, "snapshots": 2, "cannot_delete": True}
    assert names(workspace) == ["c2"]
    assert (manifests_in(place_for(last)), doomed_names(RemoteCopy)) == (["c0", "c1", "c2"], ["c0", "c1"])
    assert set(RemoteCopy.objects.values_list("state", flat=True)) == {CopyState.SEALED}
    assert [(alarm.kind, alarm.since) for alarm in alarms(now=NOW)] == [("delete_refused", NOW)]
    assert prune(workspace, now=OVER) == {"cannot_delete": True}
    assert [alarm.since for alarm in alarms(now=NOW)] == [NOW]

    change_target(bucket, options=options, secrets=keys_of(OWNER), actor=ACTOR)
    prune(workspace, now=OVER)

    assert manifests_in(place_for(last)) == ["c2"]
    assert alarms(now=NOW) == []


def test_a_copy_that_may_not_be_deleted_by_hand_is_as_it_was(
    workspace: Workspace, rights: S3WithRights, keys_of: Callable[[str], dict[str, str]]
) -> None:
    options = {"bucket": BUCKET, "prefix": f"x{uuid4().hex}", "endpoint_url": rights.url}
    bucket = add_target("bucket", kind="s3", options=options, secrets=keys_of(COLLECTOR), actor=ACTOR)
    (copy,) = copies(workspace, bucket, 1)

    with pytest.raises(DeleteRefused):
        delete_copy(copy, actor=ACTOR)

    after = RemoteCopy.objects.get()
    assert (after.state, after.doomed_at) == (CopyState.SEALED, None)
    restored(make_workspace(), copy=after)


def test_a_copy_that_could_not_be_deleted_can_still_be_restored(
    workspace: Workspace, rights: S3WithRights, keys_of: Callable[[str], dict[str, str]]
) -> None:
    options = {"bucket": BUCKET, "prefix": f"x{uuid4().hex}", "endpoint_url": rights.url}
    bucket = add_target("bucket", kind="s3", options=options, secrets=keys_of(COLLECTOR), actor=ACTOR)
    first, *_ = copies(workspace, bucket)
    keep(workspace, 1, first.repository, grace_hours=0)
    prune(workspace, now=NOW)

    pin_copy(first, is_pinned=True, actor=ACTOR)

    restored(make_workspace(), copy=first)


def test_a_target_that_is_away_holds_up_neither_snapshots_nor_other_targets(
    workspace: Workspace, target: RemoteTarget, tmp_path: Path
) -> None:
    away = directory_target(tmp_path / "mounted" / "offsite", "away")
    (tmp_path / "mounted").mkdir()
    of_away = copies(workspace, away)[0].repository
    of_target = [uploaded(workspace, target, name) for name in ("d0", "d1")][-1].repository
    for repository in (None, of_away, of_target):
        keep(workspace, 1, repository, grace_hours=0)
    (tmp_path / "mounted").rename(tmp_path / "unmounted")

    with pytest.raises(TargetUnavailable):
        prune(workspace, now=NOW)

    assert names(workspace) == ["d1"]
    assert sorted(RemoteCopy.objects.values_list("name", flat=True)) == ["c0", "c1", "c2", "d1"]
    (tmp_path / "unmounted").rename(tmp_path / "mounted")
    assert prune(workspace, now=NOW)["copies"] == 2
    assert sorted(RemoteCopy.objects.values_list("name", flat=True)) == ["c2", "d1"]


# --- Beside others


def both(*works: Callable[[], Any]) -> list[Any]:
    """What each of them gave or raised, done at once on connections of their own."""
    begin, results = threading.Barrier(len(works)), [None] * len(works)

    def do(number: int, work: Callable[[], Any]) -> None:
        try:
            begin.wait(10)
            results[number] = work()
        except (DomainError, IntegrityError) as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=do, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@contextmanager
def uncommitted(work: Callable[[], Any]) -> Iterator[Callable[[], None]]:
    """Another connection has done this, and commits when it is told, or at the end."""
    done, over = threading.Event(), threading.Event()

    def do() -> None:
        with transaction.atomic():
            work()
            done.set()
            over.wait(30)
        connection.close()

    thread = threading.Thread(target=do)
    thread.start()
    assert done.wait(10)
    try:
        yield over.set
    finally:
        over.set()
        thread.join()


def somebody_waits() -> bool:
    """Whether a connection waits for another's row."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def meanwhile(commit: Callable[[], None], work: Callable[[], Any]) -> Any:
    """What the work gives or raises: it waits for the other connection, which then commits."""

    def when_it_waits() -> None:
        wait_until(somebody_waits)
        commit()

    result, _ = both(work, when_it_waits)
    return result


@pytest.mark.django_db(transaction=True)
def test_a_copy_that_was_asked_for_just_before_it_goes_stays(tmp_path: Path) -> None:
    workspace, reader = make_workspace(), make_workspace()
    first, _ = copies(workspace, directory_target(tmp_path / "offsite"), 2)
    keep(workspace, 1, first.repository, grace_hours=0)

    with uncommitted(lambda: request_restore(reader, copy=first, actor=ACTOR)) as commit:
        result = meanwhile(commit, lambda: prune(workspace, now=NOW))

    assert result == {"doomed": 1, "in_use": 1}
    assert manifests_in(place_for(first)) == ["c0", "c1"]
    assert RemoteCopy.objects.get(pk=first.pk).state == CopyState.SEALED


@pytest.mark.django_db(transaction=True)
def test_a_copy_that_was_asked_for_just_before_it_is_deleted_by_hand_stays(tmp_path: Path) -> None:
    workspace, reader = make_workspace(), make_workspace()
    (copy,) = copies(workspace, directory_target(tmp_path / "offsite"), 1)

    with uncommitted(lambda: request_restore(reader, copy=copy, actor=ACTOR)) as commit:
        result = meanwhile(commit, lambda: delete_copy(copy, actor=ACTOR))

    assert isinstance(result, CopyBusy)
    assert manifests_in(place_for(copy)) == ["c0"]


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_that_was_pinned_just_before_it_goes_stays() -> None:
    workspace = make_workspace()
    first, _ = snapshots(workspace, 2)
    keep(workspace, 1, grace_hours=0)

    with uncommitted(lambda: pin_snapshot(first, is_pinned=True, actor=ACTOR)) as commit:
        result = meanwhile(commit, lambda: prune(workspace, now=NOW))

    assert result == {"in_use": 1}
    assert (names(workspace), doomed_names()) == (["s0", "s1"], [])


@pytest.mark.django_db(transaction=True)
def test_a_copy_that_is_asked_for_while_it_goes_is_refused(tmp_path: Path) -> None:
    workspace, reader = make_workspace(), make_workspace()
    (copy,) = copies(workspace, directory_target(tmp_path / "offsite"), 1)

    with uncommitted(lambda: begin_removal(copy)) as commit:
        result = meanwhile(commit, lambda: request_restore(reader, copy=copy, actor=ACTOR))

    assert isinstance(result, NotRestorable)
    assert not Restore.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_upload_that_is_asked_for_again_while_it_is_given_up_goes_on_or_is_gone(tmp_path: Path) -> None:
    workspace, target = make_workspace(), directory_target(tmp_path / "offsite")
    fill(workspace, {"a": b"one"})
    snapshot = create_snapshot(workspace, name="half", actor=ACTOR)
    copy = request_upload(workspace, snapshot, target, actor=ACTOR)
    end_upload(copy, now=NOW, state=JobState.CANCELLED)

    with uncommitted(lambda: request_upload(workspace, snapshot, target, actor=ACTOR)) as commit:
        result = meanwhile(commit, lambda: prune(workspace, now=NOW + 7 * DAY))

    assert result == {"in_use": 1}
    assert RemoteCopy.objects.get(pk=copy.pk).state == CopyState.UPLOADING


@pytest.mark.django_db(transaction=True)
def test_a_pack_that_an_upload_is_just_using_stays(tmp_path: Path) -> None:
    workspace = make_workspace()
    _, second, last = copies(workspace, directory_target(tmp_path / "offsite"))
    RemoteCopy.objects.filter(pk=second.pk).delete()
    key = Pack.objects.get(copy_links=None).pk
    Pack.objects.filter(pk=key).update(doomed_at=NOW)

    with uncommitted(lambda: link_packs(last.pk, [key])):
        assert prune(workspace, now=NOW + 2 * DAY) == {}

    assert Pack.objects.get(pk=key).doomed_at is None
    assert prune(workspace, now=NOW + 4 * DAY) == {}


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_that_is_asked_for_while_it_goes_is_there_or_refused() -> None:
    workspace = make_workspace()
    keep(workspace, 1, grace_hours=0)
    for number in range(5):
        fill(workspace, {"a": str(number).encode()})
        first = create_snapshot(workspace, actor=ACTOR)
        create_snapshot(workspace, actor=ACTOR)

        asked, _ = both(
            partial(request_restore, make_workspace(), snapshot=first, actor=ACTOR),
            partial(prune, workspace, now=NOW),
        )

        if isinstance(asked, Restore):
            assert Restore.objects.get(pk=asked.pk).snapshot_id == first.pk
            assert Snapshot.objects.filter(pk=first.pk).exists()
            Restore.objects.update(state=RestoreState.DONE, finished_at=NOW)
        else:
            assert isinstance(asked, RestoreInProgress | NotRestorable | IntegrityError)
        prune(workspace, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_two_prunes_at_once_delete_once(tmp_path: Path) -> None:
    workspace, target = make_workspace(), directory_target(tmp_path / "offsite")
    *_, last = copies(workspace, target, 5)
    keep(workspace, 1, grace_hours=0)
    keep(workspace, 1, last.repository, grace_hours=0)
    run = claimed(pruning.KIND, str(workspace.pk), workspace)

    results = both(*[lambda: pruning.prune_workspace(run, now=NOW)] * 2)

    assert sum(result["snapshots"] for result in results) == 4
    assert (names(workspace), manifests_in(place_for(last))) == (["c4"], ["c4"])
    assert AuditEvent.objects.filter(action="copy.deleted").count() == 4
