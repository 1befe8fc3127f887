"""Objects that no row names go, by their intents."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.utils import timezone

from apps.blobs import sweeping
from apps.blobs.actions import store_object
from apps.blobs.content import Content
from apps.blobs.models import Blob, ObjectIntent
from apps.blobs.spooling import SPOOL_PREFIX
from apps.common.conditions import ABSENT
from apps.common.errors import Unavailable
from apps.files.actions import put_file
from apps.files.models import File, FileVersion
from apps.jobs import running
from apps.jobs.actions import enqueue
from apps.workspaces.models import Workspace, WorkspaceCounter
from tests.factories import ACTOR, make_content
from tests.files.client import assert_sound, nothing_changes
from tests.files.work import run

LARGE = b"x" * 100_000
DAY = timedelta(hours=24)


def orphan(workspace: Workspace, *, age: timedelta) -> str:
    """An object whose commit never came."""
    key = store_object(workspace.public_id, LARGE)
    ObjectIntent.objects.filter(object_key=key).update(created_at=timezone.now() - age)
    return key


def put(workspace: Workspace, content: Content) -> Any:
    return put_file(workspace, "f", content, condition=ABSENT, content_type="x/y", actor=ACTOR)


def test_an_old_orphan_goes_with_its_intent(workspace: Workspace) -> None:
    key = orphan(workspace, age=DAY + timedelta(minutes=1))

    assert run(sweeping.KIND) == {"swept": 1, "spool_files": 0}

    assert not storages["blobs"].exists(key)
    assert not ObjectIntent.objects.exists()


def test_a_young_orphan_may_still_become_a_file(workspace: Workspace) -> None:
    key = orphan(workspace, age=DAY - timedelta(minutes=1))

    assert run(sweeping.KIND) == {"swept": 0, "spool_files": 0}

    assert storages["blobs"].exists(key)
    assert ObjectIntent.objects.count() == 1


def test_a_named_object_has_no_intent_and_stays(workspace: Workspace) -> None:
    content = make_content(workspace, LARGE)
    assert ObjectIntent.objects.count() == 1

    put(workspace, content)

    assert not ObjectIntent.objects.exists()
    assert run(sweeping.KIND) == {"swept": 0, "spool_files": 0}
    assert_sound()


def test_a_commit_after_the_sweep_began_is_refused(transactional_db: None) -> None:
    """Otherwise a file would name an object that is just being deleted."""
    from tests.factories import make_workspace

    workspace = make_workspace()
    content = make_content(workspace, LARGE)
    ObjectIntent.objects.update(created_at=timezone.now() - DAY - timedelta(minutes=1))
    assert sweeping.expired_keys(timezone.now()) == [content.object_key]

    with nothing_changes(), pytest.raises(Unavailable):
        put(workspace, content)

    assert (File.objects.count(), FileVersion.objects.count(), Blob.objects.count()) == (0, 0, 0)
    assert WorkspaceCounter.objects.get(workspace=workspace).last_sequence == 0
    assert_sound()


def test_a_sweep_that_was_killed_goes_on(workspace: Workspace) -> None:
    keys = [orphan(workspace, age=DAY + timedelta(minutes=1)) for _ in range(3)]
    sweeping.expired_keys(timezone.now())
    storages["blobs"].delete(keys[0])

    assert run(sweeping.KIND) == {"swept": 3, "spool_files": 0}

    assert not any(storages["blobs"].exists(key) for key in keys)
    assert not ObjectIntent.objects.exists()


def test_more_orphans_than_fit_one_step_all_go(workspace: Workspace) -> None:
    long_ago = timezone.now() - 2 * DAY
    count = 2 * sweeping.AT_ONCE + 1
    ObjectIntent.objects.bulk_create([ObjectIntent(object_key=f"never/written/{number}") for number in range(count)])
    ObjectIntent.objects.update(created_at=long_ago)

    assert run(sweeping.KIND) == {"swept": count, "spool_files": 0}
    assert not ObjectIntent.objects.exists()


def test_an_object_that_cannot_be_deleted_holds_up_no_other(workspace: Workspace) -> None:
    stuck, free = (orphan(workspace, age=DAY + timedelta(minutes=minutes)) for minutes in (2, 1))
    path = Path(storages["blobs"].path(stuck))
    path.unlink()
    (path / "in the way").mkdir(parents=True)

    job = enqueue(sweeping.KIND, "")

    assert running.run_job(job.pk) == "retry"

    assert not storages["blobs"].exists(free)
    assert ObjectIntent.objects.get().object_key == stuck


def test_spooled_files_of_killed_processes_go_after_a_day(db: None, settings: Any, tmp_path: Path) -> None:
    options = settings.STORAGES["blobs"]["OPTIONS"] | {"location": str(tmp_path)}
    settings.STORAGES = settings.STORAGES | {"blobs": settings.STORAGES["blobs"] | {"OPTIONS": options}}
    folder = storages["blobs"].spool_directory
    folder.mkdir()
    old, young, foreign = (folder / name for name in (f"{SPOOL_PREFIX}old", f"{SPOOL_PREFIX}young", "foreign"))
    for path, age in ((old, DAY), (young, DAY - timedelta(minutes=1)), (foreign, 2 * DAY)):
        path.touch()
        moment = (timezone.now() - age).timestamp()
        os.utime(path, (moment, moment))

    assert run(sweeping.KIND) == {"swept": 0, "spool_files": 1}

    assert sorted(path.name for path in folder.iterdir()) == sorted([young.name, foreign.name])
