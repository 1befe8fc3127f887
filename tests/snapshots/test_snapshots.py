"""Snapshots: a name for a state, and a hold on its history."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import AuditEvent
from apps.common.errors import AlreadyExists, NotFound
from apps.files.models import ChangeSet, Hold
from apps.files.purging import RETAIN_KIND
from apps.snapshots import cleaning
from apps.snapshots.actions import create_snapshot, delete_snapshot, pin_snapshot
from apps.snapshots.errors import BadName, Pinned
from apps.snapshots.models import Snapshot, SnapshotKind
from apps.snapshots.names import dated_name
from apps.snapshots.queries import differences_of, files_of, latest_snapshot, snapshot_of, snapshots_of
from apps.workspaces import actions as workspaces
from tests.factories import ACTOR
from tests.files.client import Api, statements_sent
from tests.files.work import run

pytestmark = pytest.mark.django_db


def snapshot(api: Api, name: str = "", **given: str) -> Snapshot:
    return create_snapshot(api.workspace, name=name, actor=ACTOR, **given)


def overwrite(api: Api, path: str, data: bytes) -> None:
    api.put(path, data, query="?overwrite=true")


def keep_a_day(api: Api) -> None:
    """The workspace keeps one day of history, and all that it has is older."""
    workspaces.update_workspace_settings(api.workspace, {"history_days": 1}, actor=ACTOR)
    ChangeSet.objects.update(created_at=timezone.now() - timedelta(days=3))


def held(found: Snapshot) -> list[tuple[str, int]]:
    return [(row.path, row.version) for row in files_of(found)]


def test_a_snapshot_says_what_the_workspace_held(api: Api) -> None:
    api.put("a", b"one")
    api.put("b", b"three")
    api.delete("a")

    made = snapshot(api, "first", message="before the move")

    assert (made.sequence, made.files, made.size_bytes, made.kind) == (3, 1, 5, "manual")
    assert held(made) == [("b", 2)]
    assert (made.message, made.actor, made.parent) == ("before the move", "test", None)


def test_what_is_written_later_is_not_in_it(api: Api) -> None:
    api.put("a", b"one")
    made = snapshot(api)

    overwrite(api, "a", b"two")
    api.put("b", b"new")

    assert held(made) == [("a", 1)]


def test_its_history_survives_retention(api: Api) -> None:
    api.put("a", b"one")
    made = snapshot(api)
    overwrite(api, "a", b"two")
    overwrite(api, "a", b"three")
    keep_a_day(api)

    assert run(RETAIN_KIND, api.workspace) == {"versions": 1, "tombstones": 0}
    assert held(made) == [("a", 1)]
    assert api.get("files/a?version=1").content == b"one"


def test_the_history_of_a_deleted_one_may_go(api: Api) -> None:
    api.put("a", b"one")
    made = snapshot(api)
    overwrite(api, "a", b"two")
    keep_a_day(api)

    delete_snapshot(api.workspace, made, actor=ACTOR)

    assert run(RETAIN_KIND, api.workspace) == {"versions": 1, "tombstones": 0}
    assert not Hold.objects.exists()


def test_a_name_is_given_once(api: Api) -> None:
    snapshot(api, "first")

    with pytest.raises(AlreadyExists):
        snapshot(api, "first")

    assert [found.name for found in snapshots_of(api.workspace.pk)] == ["first"]
    assert Hold.objects.count() == 1


def test_without_a_name_it_is_dated_and_never_taken(api: Api) -> None:
    names = [snapshot(api).name for _ in range(3)]

    dated = dated_name("manual", timezone.now())[: len("manual_YYYYMMDD")]
    assert len(set(names)) == 3
    assert all(name.startswith(dated) for name in names)


@pytest.mark.parametrize("name", ["", ".", "..", "a..b", "a/b", "a\\b", "-a", "_a", "a b", "ä", "a" * 101, "a\n"])
def test_a_bad_name_is_refused_and_nothing_is_made(api: Api, name: str) -> None:
    from apps.snapshots.names import checked_name

    with pytest.raises(BadName):
        checked_name(name)
    if name:
        with pytest.raises(BadName):
            snapshot(api, name)

    assert not Snapshot.objects.exists()
    assert not Hold.objects.exists()


def test_the_latest_is_the_last_made_and_never_one_for_safety(api: Api) -> None:
    snapshot(api, "z")
    snapshot(api, "a")
    create_snapshot(api.workspace, name="later", kind=SnapshotKind.SAFETY, actor=ACTOR)

    found = latest_snapshot(api.workspace.pk)

    assert found is not None
    assert found.name == "a"
    parent = snapshot_of(api.workspace.pk, "later").parent
    assert parent is not None
    assert parent.name == "a"


def test_a_pinned_one_is_not_deleted(api: Api) -> None:
    made = pin_snapshot(snapshot(api), is_pinned=True, actor=ACTOR)

    with pytest.raises(Pinned):
        delete_snapshot(api.workspace, made, actor=ACTOR)
    assert Hold.objects.count() == 1

    pin_snapshot(made, is_pinned=False, actor=ACTOR)
    delete_snapshot(api.workspace, made, actor=ACTOR)
    assert not Snapshot.objects.exists()


def test_a_deleted_one_is_gone(api: Api) -> None:
    made = snapshot(api, "first")
    delete_snapshot(api.workspace, made, actor=ACTOR)

    with pytest.raises(NotFound):
        delete_snapshot(api.workspace, made, actor=ACTOR)
    with pytest.raises(NotFound):
        snapshot_of(api.workspace.pk, "first")


def test_each_step_leaves_a_line_of_audit(api: Api) -> None:
    made = snapshot(api, "first")
    pin_snapshot(made, is_pinned=True, actor=ACTOR)
    pin_snapshot(made, is_pinned=True, actor=ACTOR)
    pin_snapshot(made, is_pinned=False, actor=ACTOR)
    delete_snapshot(api.workspace, made, actor=ACTOR)

    events = AuditEvent.objects.filter(action__startswith="snapshot.").order_by("id")
    assert [(event.action, event.subject) for event in events] == [
        ("snapshot.created", "first"),
        ("snapshot.pinned", "first"),
        ("snapshot.unpinned", "first"),
        ("snapshot.deleted", "first"),
    ]


def test_two_snapshots_are_compared_in_either_order(api: Api) -> None:
    api.put("changed", b"one")
    api.put("deleted", b"one")
    snapshot(api, "first")
    overwrite(api, "changed", b"two")
    api.delete("deleted")
    api.put("added", b"one")
    snapshot(api, "second")
    api.put("later", b"x")

    def compared(before: str, after: str) -> list[tuple[str, str]]:
        return [(found.kind, found.row.path) for found in differences_of(api.workspace.pk, before, after)]

    assert compared("first", "second") == [("added", "added"), ("changed", "changed"), ("deleted", "deleted")]
    assert compared("second", "first") == [("deleted", "added"), ("changed", "changed"), ("added", "deleted")]
    assert compared("second", "now") == [("added", "later")]
    assert compared("first", "first") == []


def test_making_one_costs_the_same_for_any_number_of_files(api: Api) -> None:
    snapshot(api)
    api.put("f", b"x")
    with statements_sent() as for_one:
        snapshot(api)

    api.put_many(*(({"path": f"f{number}", "if_version": 0}, b"x") for number in range(1000)))
    with statements_sent() as for_many:
        snapshot(api)

    assert len(for_many) == len(for_one)


def test_the_snapshots_of_a_purged_workspace_go_with_it(api: Api) -> None:
    snapshot(api)
    workspaces.archive_workspace(api.workspace, actor=ACTOR)

    assert run(cleaning.KIND, api.workspace) == {"snapshots": 0, "copies": 0, "packs": 0}
    workspaces.mark_purged(api.workspace.pk)

    assert run(cleaning.KIND, api.workspace) == {"snapshots": 1, "copies": 0, "packs": 0}
    assert not Snapshot.objects.exists()
