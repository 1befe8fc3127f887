"""Retention, collection and the end of a workspace."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.storage import storages
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.blobs import sweeping
from apps.blobs.content import Content
from apps.blobs.models import Blob, ObjectIntent
from apps.common.conditions import ANY, LIVE
from apps.common.errors import PreconditionFailed
from apps.files import holds, purging
from apps.files.actions import delete_file, put_file
from apps.files.models import SEQUENCE_BITS, ChangeSet, FeedCheckpoint, File, FileVersion, Hold
from apps.jobs.models import Job
from apps.workspaces.actions import archive_workspace, update_workspace_settings
from apps.workspaces.models import Workspace, WorkspaceCounter
from tests.factories import ACTOR, make_content, make_workspace
from tests.files.client import Api, assert_sound, body_of, nothing_changes, problem
from tests.files.work import run, written_at


def put(workspace: Workspace, path: str, data: bytes) -> int:
    change = put_file(workspace, path, Content.of_bytes(data), condition=ANY, content_type="x/y", actor=ACTOR)
    assert change.version is not None
    return change.version


def delete(workspace: Workspace, path: str) -> int:
    change = delete_file(workspace, path, condition=LIVE, actor=ACTOR)
    assert change.version is not None
    return change.version


def versions(workspace: Workspace) -> dict[str, list[int]]:
    """What is left of each path's history."""
    left: dict[str, list[int]] = {
        path: [] for path in File.objects.filter(workspace=workspace).values_list("path", flat=True)
    }
    rows = FileVersion.objects.filter(file__workspace=workspace).order_by("id").values_list("file__path", "id")
    for path, number in rows:
        left[path].append(number - (workspace.pk << SEQUENCE_BITS))
    return left


def keep(workspace: Workspace, **options: int | None) -> None:
    update_workspace_settings(workspace, options, actor=ACTOR)


def days_ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


# --- Retention


def test_without_a_wish_every_version_stays(workspace: Workspace) -> None:
    for number in range(3):
        written_at(workspace, put(workspace, "a", b"%d" % number), days_ago(1000))
    written_at(workspace, delete(workspace, "a"), days_ago(900))

    with nothing_changes():
        assert run(purging.RETAIN_KIND, workspace) == {"versions": 0, "tombstones": 0}


def test_a_version_goes_when_its_successor_is_older_than_the_days(workspace: Workspace) -> None:
    keep(workspace, history_days=10)
    for age in (30, 20, 11, 9, 1):
        written_at(workspace, put(workspace, "a", b"%d" % age), days_ago(age))

    assert run(purging.RETAIN_KIND, workspace) == {"versions": 2, "tombstones": 0}

    # Version 3 was what `a` held ten days ago.
    assert versions(workspace) == {"a": [3, 4, 5]}
    workspace.refresh_from_db()
    assert (workspace.history_floor, workspace.purged_sequence) == (2, 0)
    assert_sound()


def test_the_only_version_stays_however_old(workspace: Workspace) -> None:
    keep(workspace, history_days=1, tombstone_days=1)
    written_at(workspace, put(workspace, "a", b"x"), days_ago(1000))

    assert run(purging.RETAIN_KIND, workspace) == {"versions": 0, "tombstones": 0}


def test_a_tombstone_goes_after_its_history(workspace: Workspace) -> None:
    keep(workspace, history_days=10, tombstone_days=20)
    for age, path in ((40, "old"), (40, "young")):
        written_at(workspace, put(workspace, path, path.encode()), days_ago(age))
    written_at(workspace, delete(workspace, "old"), days_ago(21))
    written_at(workspace, delete(workspace, "young"), days_ago(19))

    assert run(purging.RETAIN_KIND, workspace) == {"versions": 2, "tombstones": 1}

    assert versions(workspace) == {"young": [4]}
    workspace.refresh_from_db()
    assert workspace.purged_sequence == 3
    assert_sound()


def test_a_tombstone_with_history_stays(workspace: Workspace) -> None:
    """History that is kept for ever begins with what was deleted."""
    keep(workspace, tombstone_days=1)
    written_at(workspace, put(workspace, "a", b"x"), days_ago(100))
    written_at(workspace, delete(workspace, "a"), days_ago(99))

    assert run(purging.RETAIN_KIND, workspace) == {"versions": 0, "tombstones": 0}
    assert versions(workspace) == {"a": [1, 2]}


def test_a_path_whose_tombstone_went_is_as_never_written(api: Api) -> None:
    keep(api.workspace, history_days=1, tombstone_days=1)
    api.put("a", b"x")
    cursor = api.get("changes").json()["cursor"]
    api.delete("a")
    for sequence in (1, 2):
        written_at(api.workspace, sequence, days_ago(10))
    run(purging.RETAIN_KIND, api.workspace)

    assert problem(api.get("history/a")) == (404, "not_found")
    assert problem(api.get(f"changes?since={cursor}")) == (410, "cursor_expired")
    assert api.get("changes").json()["items"] == []
    assert api.put("a", b"y").json()["version"] == 3
    assert_sound()


def test_a_hold_keeps_what_was_newest_then_until_it_is_released(workspace: Workspace) -> None:
    keep(workspace, history_days=1)
    for number in range(5):
        written_at(workspace, put(workspace, "a", b"%d" % number), days_ago(100 - number))
        written_at(workspace, put(workspace, "b", b"%d" % number), days_ago(100 - number))
    holds.hold(workspace, holder="snapshot:1", sequence=4)

    run(purging.RETAIN_KIND, workspace)
    assert versions(workspace) == {"a": [3, 9], "b": [4, 10]}

    holds.release(workspace, holder="snapshot:1")
    run(purging.RETAIN_KIND, workspace)
    assert versions(workspace) == {"a": [9], "b": [10]}
    assert_sound()


def test_more_versions_than_fit_one_step_all_go(workspace: Workspace) -> None:
    keep(workspace, history_days=1)
    count = purging.AT_ONCE * 2 + 3
    for number in range(count):
        put(workspace, "a", b"%d" % (number % 2))
    ChangeSet.objects.update(created_at=days_ago(10))

    assert run(purging.RETAIN_KIND, workspace) == {"versions": count - 1, "tombstones": 0}
    assert versions(workspace) == {"a": [count]}


def test_retention_of_one_workspace_leaves_the_others_alone(workspace: Workspace) -> None:
    other = make_workspace()
    keep(workspace, history_days=1)
    for each in (workspace, other):
        for number in range(3):
            written_at(each, put(each, "a", b"%d" % number), days_ago(10))

    run(purging.RETAIN_KIND, workspace)

    assert versions(workspace) == {"a": [3]}
    assert versions(other) == {"a": [1, 2, 3]}


@dataclass
class Model:
    """The rules of retention, said once more and in the plainest way. Numbers are sequences, times are days ago."""

    paths: dict[str, list[int]] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    age: dict[int, float] = field(default_factory=dict)

    def write(self, path: str, version: int, age: float, *, is_deleted: bool) -> None:
        self.paths.setdefault(path, []).append(version)
        self.age[version] = age
        if is_deleted:
            self.deleted.add(version)

    def retain(self, history_days: int | None, tombstone_days: int | None, held: list[int]) -> dict[str, list[int]]:
        """The versions that must be left."""
        left = {}
        for path, numbers in self.paths.items():
            kept = []
            for version, successor in zip(numbers, [*numbers[1:], None], strict=True):
                is_old = successor is not None and history_days is not None and self.age[successor] > history_days
                is_held = successor is not None and any(version <= hold < successor for hold in held)
                if not is_old or is_held:
                    kept.append(version)
            is_bare = kept[0] in self.deleted and len(kept) == 1
            if is_bare and tombstone_days is not None and self.age[kept[0]] > tombstone_days:
                continue
            left[path] = kept
        return left

    def as_of(self, path: str, moment: int) -> int:
        """The version that a path had at a sequence, 0 where it held nothing."""
        version = max((number for number in self.paths[path] if number <= moment), default=0)
        return 0 if version in self.deleted else version


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 6)), min_size=1, max_size=14)
DAYS = st.one_of(st.none(), st.integers(1, 40))


@given(STEPS, DAYS, DAYS, st.lists(st.integers(1, 14), max_size=3))
@settings(
    max_examples=int(os.environ.get("HUB_TEST_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_retention_removes_what_it_should_and_nothing_else(
    db: None, steps: list[tuple[str, bool, int]], history_days: int | None, tombstone_days: int | None, held: list[int]
) -> None:
    """The long form: HUB_TEST_EXAMPLES=2000 ./hub test -n0 tests/files/test_purging.py"""
    start = transaction.savepoint()
    workspace, model = make_workspace(), Model()
    age = 50
    for number, (path, wants_delete, days) in enumerate(steps):
        age = max(age - days, 0)
        try:
            version = delete(workspace, path) if wants_delete else put(workspace, path, b"%d" % number)
        except PreconditionFailed:
            continue
        # Half a day, so that no time stands right at a border.
        model.write(path, version, age + 0.5, is_deleted=wants_delete)
        written_at(workspace, version, days_ago(age + 0.5))
    for number, sequence in enumerate(held):
        holds.hold(workspace, holder=f"{number}", sequence=sequence)
    moments = list(Hold.objects.filter(workspace=workspace).values_list("sequence", flat=True))
    before = {(path, moment): model.as_of(path, moment) for path in model.paths for moment in moments}
    keep(workspace, history_days=history_days, tombstone_days=tombstone_days)

    run(purging.RETAIN_KIND, workspace)

    wanted = model.retain(history_days, tombstone_days, moments)
    assert versions(workspace) == wanted
    workspace.refresh_from_db()
    forgotten = [numbers[-1] for path, numbers in model.paths.items() if path not in wanted]
    assert workspace.purged_sequence == max(forgotten, default=0)
    model.paths = {path: wanted.get(path, []) for path in model.paths}
    assert {(path, moment): model.as_of(path, moment) for path, moment in before} == before
    assert_sound()
    transaction.savepoint_rollback(start)


# --- Collection


def test_bytes_that_no_version_names_go_a_day_after_they_were_stored(workspace: Workspace) -> None:
    keep(workspace, history_days=1)
    for number, data in enumerate((b"old", b"x" * 100_000, b"new")):
        content = make_content(workspace, data)
        put_file(workspace, "a", content, condition=ANY, content_type="x/y", actor=ACTOR)
        written_at(workspace, number + 1, days_ago(10))
    key = Blob.objects.get(object_key__isnull=False).object_key
    run(purging.RETAIN_KIND, workspace)

    assert run(purging.COLLECT_KIND, workspace) == {"blobs": 0, "size_bytes": 0}
    Blob.objects.update(created_at=days_ago(1.1))
    assert run(purging.COLLECT_KIND, workspace) == {"blobs": 2, "size_bytes": 100_003}

    assert bytes(Blob.objects.get().inline or b"") == b"new"
    assert WorkspaceCounter.objects.get(workspace=workspace).stored_bytes == 3
    assert ObjectIntent.objects.get().object_key == key
    assert storages["blobs"].exists(key)
    assert_sound()

    assert run(sweeping.KIND) == {"swept": 1, "spool_files": 0}
    assert not storages["blobs"].exists(key)
    assert_sound()


def test_bytes_that_any_version_names_stay(workspace: Workspace) -> None:
    put(workspace, "a", b"one")
    put(workspace, "a", b"two")
    put(workspace, "gone", b"three")
    delete(workspace, "gone")
    Blob.objects.update(created_at=days_ago(100))

    with nothing_changes():
        assert run(purging.COLLECT_KIND, workspace) == {"blobs": 0, "size_bytes": 0}


def test_collected_bytes_can_be_stored_again(workspace: Workspace) -> None:
    keep(workspace, history_days=1)
    for sequence in (put(workspace, "a", b"one"), put(workspace, "a", b"two")):
        written_at(workspace, sequence, days_ago(10))
    run(purging.RETAIN_KIND, workspace)
    Blob.objects.update(created_at=days_ago(2))
    run(purging.COLLECT_KIND, workspace)

    put(workspace, "a", b"one")

    assert sorted(bytes(blob.inline or b"") for blob in Blob.objects.all()) == [b"one", b"two"]
    assert_sound()


def test_retention_is_followed_by_a_collection(workspace: Workspace) -> None:
    run(purging.RETAIN_KIND, workspace)

    assert Job.objects.filter(kind=purging.COLLECT_KIND, subject=str(workspace.pk), state="queued").count() == 1


# --- The end of a workspace


@pytest.fixture
def archived(committed_api: Api) -> Api:
    """A workspace of a bit of everything, archived long ago."""
    committed_api.put("a", b"one")
    committed_api.put("a", b"two", If_Match='"1"')
    committed_api.put("big", b"x" * 100_000)
    committed_api.put("gone", b"x")
    committed_api.delete("gone")
    holds.hold(committed_api.workspace, holder="x")
    FeedCheckpoint.objects.create(workspace=committed_api.workspace, consumer="upload", sequence=1)
    archive_workspace(committed_api.workspace, actor=ACTOR)
    Workspace.objects.filter(pk=committed_api.workspace.pk).update(archived_at=days_ago(31))
    return committed_api


def test_a_purged_workspace_leaves_its_slug_and_nothing_else(archived: Api) -> None:
    other = make_workspace()
    put(other, "a", b"one")
    key = Blob.objects.get(object_key__isnull=False).object_key

    assert run(purging.PURGE_KIND, archived.workspace) == {"rows": 5 + 3 + 5 + 1 + 1 + 4}

    assert File.objects.filter(workspace=archived.workspace).count() == 0
    assert (File.objects.count(), FileVersion.objects.count(), ChangeSet.objects.count()) == (1, 1, 1)
    assert (Blob.objects.count(), Hold.objects.count(), FeedCheckpoint.objects.count()) == (1, 0, 0)
    row = Workspace.objects.get(pk=archived.workspace.pk)
    assert row.purged_at is not None
    counter = WorkspaceCounter.objects.get(workspace=archived.workspace)
    assert (counter.last_sequence, counter.live_files, counter.live_bytes, counter.stored_bytes) == (5, 0, 0, 0)
    assert run(sweeping.KIND) == {"swept": 1, "spool_files": 0}
    assert not storages["blobs"].exists(key)
    assert problem(archived.get("index")) == (404, "not_found")
    assert_sound()


def test_a_purge_may_be_run_twice(archived: Api) -> None:
    run(purging.PURGE_KIND, archived.workspace)

    assert run(purging.PURGE_KIND, archived.workspace) == {"rows": 0}
    assert_sound()


def test_housekeeping_plans_what_each_workspace_needs(archived: Api) -> None:
    plain, forgetful, fresh = make_workspace(), make_workspace(), make_workspace()
    keep(forgetful, history_days=1)
    archive_workspace(fresh, actor=ACTOR)

    assert run(purging.PLAN_KIND) == {"planned": 4}

    planned = set(Job.objects.filter(state="queued").values_list("kind", "subject"))
    assert planned == {
        (purging.PURGE_KIND, str(archived.workspace.pk)),
        (purging.COLLECT_KIND, str(plain.pk)),
        (purging.RETAIN_KIND, str(forgetful.pk)),
        (purging.COLLECT_KIND, str(forgetful.pk)),
    }


def test_a_purged_workspace_is_left_in_peace(archived: Api) -> None:
    run(purging.PURGE_KIND, archived.workspace)

    assert run(purging.PLAN_KIND) == {"planned": 0}


def test_old_bytes_stay_readable_by_their_version_until_they_go(api: Api) -> None:
    keep(api.workspace, history_days=1)
    api.put("a", b"one")
    api.put("a", b"two", If_Match='"1"')
    assert body_of(api.get("files/a?version=1")) == b"one"
    for sequence in (1, 2):
        written_at(api.workspace, sequence, datetime(2020, 1, 1, tzinfo=UTC))

    run(purging.RETAIN_KIND, api.workspace)

    assert problem(api.get("files/a?version=1")) == (404, "not_found")
    assert [item["version"] for item in api.get("history/a").json()["items"]] == [2]
    with nothing_changes():
        answer = api.post("files:revert", {"items": [{"path": "a", "version": 1, "if_version": "any"}]})
    assert problem(answer) == (404, "not_found")
