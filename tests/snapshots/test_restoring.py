"""Going back to a snapshot: forward, whole, and to be undone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from apps.accounts.models import AuditEvent
from apps.common.errors import NotFound, QuotaExceeded
from apps.files import queries
from apps.files.as_of import files_as_of
from apps.snapshots.actions import RESTORE_LOCK, create_snapshot, delete_snapshot, restore_snapshot
from apps.snapshots.errors import RestoreInProgress
from apps.snapshots.models import Snapshot
from apps.snapshots.queries import snapshots_of
from apps.snapshots.restores import request_restore, restores_of
from apps.workspaces import actions as workspaces
from tests.factories import ACTOR, make_workspace
from tests.files.client import Api, assert_sound, body_of, nothing_changes

pytestmark = pytest.mark.django_db


def overwrite(api: Api, path: str, data: bytes) -> None:
    api.put(path, data, query="?overwrite=true")


def tree(api: Api) -> dict[str, bytes]:
    sequence = queries.position(api.workspace.pk).last_sequence
    return {row.path: body_of(api.get(f"files/{row.path}")) for row in files_as_of(api.workspace.pk, sequence)}


@pytest.fixture
def moved_on(api: Api) -> tuple[Api, Snapshot]:
    """A workspace with a snapshot, of which a file was changed, one deleted, and one added since."""
    for path in ("changed", "deleted", "same", "notes/changed"):
        api.put(path, path.encode())
    made = create_snapshot(api.workspace, name="first", actor=ACTOR)
    overwrite(api, "changed", b"other")
    overwrite(api, "notes/changed", b"other")
    api.delete("deleted")
    api.put("added", b"new")
    return api, made


THEN = {path: path.encode() for path in ("changed", "deleted", "same", "notes/changed")}


def test_files_are_as_they_were_and_new_ones_stay(moved_on: tuple[Api, Snapshot]) -> None:
    api, first = moved_on

    done = restore_snapshot(api.workspace, first, actor=ACTOR)

    assert tree(api) == THEN | {"added": b"new"}
    assert (done.put, done.deleted) == (3, 0)
    assert_sound()


def test_with_delete_nothing_else_is_there(moved_on: tuple[Api, Snapshot]) -> None:
    api, first = moved_on

    done = restore_snapshot(api.workspace, first, delete=True, actor=ACTOR)

    assert tree(api) == THEN
    assert (done.put, done.deleted) == (3, 1)


def test_only_a_folder_can_be_brought_back(moved_on: tuple[Api, Snapshot]) -> None:
    api, first = moved_on
    before = tree(api)

    restore_snapshot(api.workspace, first, prefix="notes/", delete=True, actor=ACTOR)

    assert tree(api) == before | {"notes/changed": b"notes/changed"}


def test_clients_see_an_ordinary_change(moved_on: tuple[Api, Snapshot]) -> None:
    api, first = moved_on
    cursor = api.get("changes").json()["cursor"]

    restore_snapshot(api.workspace, first, delete=True, actor=ACTOR)

    news = api.get(f"changes?since={cursor}").json()["items"]
    assert {item["path"]: item["is_deleted"] for item in news} == {
        "added": True,
        "changed": False,
        "deleted": False,
        "notes/changed": False,
    }
    newest = queries.history(api.workspace.pk, "changed", before=None, limit=1)[0]
    assert (newest.origin, newest.message) == ("restore", "Restored from first")


def test_restoring_the_safety_snapshot_undoes_it(moved_on: tuple[Api, Snapshot]) -> None:
    api, first = moved_on
    before = tree(api)
    done = restore_snapshot(api.workspace, first, delete=True, actor=ACTOR)
    assert done.safety is not None

    restore_snapshot(api.workspace, done.safety, delete=True, actor=ACTOR)

    assert tree(api) == before


def test_where_nothing_differs_nothing_is_written(api: Api) -> None:
    api.put("a", b"one")
    made = create_snapshot(api.workspace, name="first", actor=ACTOR)

    with nothing_changes():
        done = restore_snapshot(api.workspace, made, delete=True, actor=ACTOR)

    assert (done.put, done.deleted, done.safety) == (0, 0, None)
    assert [found.name for found in snapshots_of(api.workspace.pk)] == ["first"]


def test_a_refused_file_refuses_all(moved_on: tuple[Api, Snapshot]) -> None:
    api, first = moved_on
    workspaces.update_workspace_settings(api.workspace, {"quota_files": 4}, actor=ACTOR)

    with nothing_changes(), pytest.raises(QuotaExceeded):
        restore_snapshot(api.workspace, first, actor=ACTOR)

    assert [found.name for found in snapshots_of(api.workspace.pk)] == ["first"]


def test_many_files_come_back_together(api: Api) -> None:
    paths = [f"{number:04}" for number in range(1000)]
    api.put_many(*(({"path": path, "if_version": 0}, b"one") for path in paths))
    api.put_many(*(({"path": f"x{path}", "if_version": 0}, b"one") for path in paths))
    made = create_snapshot(api.workspace, name="first", actor=ACTOR)
    api.put_many(*(({"path": path, "if_version": "any"}, b"two") for path in paths))
    api.put_many(*(({"path": f"x{path}", "if_version": "any"}, b"two") for path in paths))

    done = restore_snapshot(api.workspace, made, actor=ACTOR)

    assert done.put == 2000
    assert set(tree(api).values()) == {b"one"}


def test_it_is_in_the_audit_trail(moved_on: tuple[Api, Snapshot]) -> None:
    api, first = moved_on

    restore_snapshot(api.workspace, first, delete=True, actor=ACTOR)

    event = AuditEvent.objects.get(action="snapshot.restored")
    assert (event.subject, event.details["put"], event.details["deleted"]) == ("first", 3, 1)


def test_it_is_in_the_list_of_restores(moved_on: tuple[Api, Snapshot]) -> None:
    api, first = moved_on

    done = restore_snapshot(api.workspace, first, prefix="notes/", delete=True, message="why", actor=ACTOR)

    row = restores_of(api.workspace.pk).get()
    assert (row.snapshot, row.source, row.prefix, row.is_exact, row.safety) == (
        first,
        "first",
        "notes/",
        True,
        done.safety,
    )
    assert (row.state, row.put, row.deleted, row.actor) == ("done", 1, 0, str(ACTOR))
    assert row.message == "why"


def test_one_file_comes_back_by_its_path(moved_on: tuple[Api, Snapshot]) -> None:
    api, first = moved_on

    done = restore_snapshot(api.workspace, first, prefix="notes/changed/", delete=True, actor=ACTOR)
    gone = restore_snapshot(api.workspace, first, prefix="deleted/", actor=ACTOR)

    assert (done.put, gone.put) == (1, 1)
    assert tree(api) == THEN | {"changed": b"other", "added": b"new"}


def test_a_path_that_it_had_nothing_below_is_told(moved_on: tuple[Api, Snapshot]) -> None:
    api, first = moved_on

    with nothing_changes(), pytest.raises(NotFound):
        restore_snapshot(api.workspace, first, prefix="nots/", delete=True, actor=ACTOR)


def test_a_restore_that_waits_for_its_job_is_one_that_runs(moved_on: tuple[Api, Snapshot]) -> None:
    api, first = moved_on
    request_restore(api.workspace, snapshot=create_snapshot(make_workspace(), actor=ACTOR), actor=ACTOR)

    with nothing_changes(), pytest.raises(RestoreInProgress):
        restore_snapshot(api.workspace, first, actor=ACTOR)


def test_a_snapshot_that_is_gone_is_told(moved_on: tuple[Api, Snapshot]) -> None:
    api, first = moved_on
    seen = Snapshot.objects.get(pk=first.pk)
    delete_snapshot(api.workspace, first, actor=ACTOR)

    with nothing_changes(), pytest.raises(NotFound):
        restore_snapshot(api.workspace, seen, actor=ACTOR)


@contextmanager
def a_restore_of(api: Api) -> Iterator[None]:
    """Another connection holds the lock of a restore."""
    holds, over = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [RESTORE_LOCK, api.workspace.pk])
            holds.set()
            over.wait(30)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(10)
    yield
    over.set()
    thread.join()


@pytest.mark.django_db(transaction=True)
def test_two_restores_do_not_run_at_once(committed_api: Api) -> None:
    api = committed_api
    api.put("a", b"one")
    made = create_snapshot(api.workspace, name="first", actor=ACTOR)
    overwrite(api, "a", b"two")

    with a_restore_of(api):
        with pytest.raises(RestoreInProgress):
            restore_snapshot(api.workspace, made, actor=ACTOR)
        with pytest.raises(RestoreInProgress):
            delete_snapshot(api.workspace, made, actor=ACTOR)

    assert tree(api) == {"a": b"two"}
    assert Snapshot.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_each_write_of_others_is_before_or_after_and_none_in_neither(committed_api: Api) -> None:
    api = committed_api
    paths = [f"{number:03}" for number in range(200)]
    api.put_many(*(({"path": path, "if_version": 0}, b"then") for path in paths))
    made = create_snapshot(api.workspace, name="first", actor=ACTOR)
    api.put_many(*(({"path": path, "if_version": "any"}, b"since") for path in paths))
    stop, written = threading.Event(), []

    def write() -> None:
        number = 0
        while not stop.is_set():
            body = f"late {number}".encode()
            answer = api.put(paths[number % 200], body, query="?overwrite=true")
            assert answer.status_code == 200, answer.content
            written.append((answer.json()["version"], paths[number % 200], body))
            number += 1
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    done = restore_snapshot(api.workspace, made, actor=ACTOR)
    stop.set()
    writer.join()

    assert done.safety is not None
    after = {path: body for version, path, body in written if version > done.safety.sequence + done.put}
    between = [one for one in written if done.safety.sequence < one[0] <= done.safety.sequence + done.put]
    assert between == []
    assert tree(api) == dict.fromkeys(paths, b"then") | after
    assert_sound()
