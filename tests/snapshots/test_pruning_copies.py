"""Retention of copies: what a target holds goes in the right order, and nothing that is in use."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import transaction
from django.db.models import Q

from apps.accounts.models import AuditEvent
from apps.files.models import Hold
from apps.jobs.models import Job, JobState
from apps.snapshots import pruning
from apps.snapshots.actions import create_snapshot
from apps.snapshots.copies import pin_copy, request_upload
from apps.snapshots.errors import CopyBusy, NotRestorable, Pinned
from apps.snapshots.format.names import manifest_name, pack_name
from apps.snapshots.models import (
    CopyPack,
    CopyState,
    DoomedObject,
    Pack,
    PackedChunk,
    PackState,
    RemoteCopy,
    RemoteTarget,
    Repository,
    Restore,
    RestoreState,
    Snapshot,
)
from apps.snapshots.removals import delete_copy
from apps.snapshots.restores import request_restore
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_workspace
from tests.snapshots.moments import (
    DAY,
    HOUR,
    NOW,
    copies,
    end_upload,
    keep,
    names,
    opened_restore,
    prune,
    target,
    uploading,
    workspace,
)
from tests.snapshots.work import (
    fill,
    manifests_in,
    objects_in,
    packs_in,
    place_for,
    random_bytes,
    restored,
    tree,
    uploaded,
)

__all__ = ["target", "workspace"]
pytestmark = pytest.mark.django_db

OVER = NOW + DAY
"""When the grace time of what was doomed at NOW has passed."""


def test_copies_go_with_their_manifests_and_then_the_packs_that_nobody_needs(
    workspace: Workspace, target: RemoteTarget
) -> None:
    first, second, last = copies(workspace, target)
    place, before = place_for(last), tree(workspace)
    keep(workspace, 1, last.repository)
    needed = set(CopyPack.objects.filter(copy=last).values_list("pack_id", flat=True))
    idle = Pack.objects.exclude(pk__in=needed)
    sizes = sum(pack.stored_bytes for pack in idle)
    assert (len(packs_in(place)), len(needed), idle.count()) == (3, 2, 1)

    assert prune(workspace, now=NOW) == {"doomed": 2}
    assert prune(workspace, now=OVER) == {
        "deleted": 2,
        "copies": 2,
        "bytes": first.manifest_bytes + second.manifest_bytes,
    }
    assert manifests_in(place) == ["c2"]
    assert len(packs_in(place)) == 3
    assert prune(workspace, now=OVER) == {}
    assert prune(workspace, now=OVER + DAY) == {"packs": 1, "bytes": sizes}

    assert sorted(packs_in(place)) == sorted(pack_name(bytes(pack.digest)) for pack in Pack.objects.all())
    assert set(Pack.objects.values_list("pk", flat=True)) == needed
    assert not DoomedObject.objects.exists()
    assert PackedChunk.objects.count() == 4
    other = make_workspace()
    restored(other, copy=last)
    assert tree(other) == before
    events = AuditEvent.objects.filter(action="copy.deleted").order_by("id")
    assert [(event.subject, event.details, event.actor) for event in events] == [
        ("c0", {"target": "offsite"}, "system"),
        ("c1", {"target": "offsite"}, "system"),
    ]


def test_snapshots_and_copies_follow_rules_of_their_own(workspace: Workspace, target: RemoteTarget) -> None:
    *_, last = copies(workspace, target)
    keep(workspace, 2, grace_hours=0)

    prune(workspace, now=NOW)

    assert (names(workspace), manifests_in(place_for(last))) == (["c1", "c2"], ["c0", "c1", "c2"])

    keep(workspace, 1, last.repository, grace_hours=0)
    prune(workspace, now=NOW)

    assert (names(workspace), manifests_in(place_for(last))) == (["c1", "c2"], ["c2"])


def test_what_another_hub_wrote_is_left_alone(workspace: Workspace, target: RemoteTarget) -> None:
    first, *_, last = copies(workspace, target)
    RemoteCopy.objects.filter(pk=first.pk).update(writer=uuid4())
    keep(workspace, 1, last.repository, grace_hours=0)

    prune(workspace, now=NOW)

    assert manifests_in(place_for(last)) == ["c0", "c2"]


def test_a_pin_spares_a_doomed_copy(workspace: Workspace, target: RemoteTarget) -> None:
    first, *_, last = copies(workspace, target)
    keep(workspace, 1, last.repository)
    prune(workspace, now=NOW)

    pin_copy(first, is_pinned=True, actor=ACTOR)
    prune(workspace, now=OVER)

    assert manifests_in(place_for(last)) == ["c0", "c2"]


def test_a_doomed_copy_of_a_rule_that_is_taken_back_can_be_restored_again(
    workspace: Workspace, target: RemoteTarget
) -> None:
    first, *_ = copies(workspace, target)
    rule = keep(workspace, 1, first.repository)
    prune(workspace, now=NOW)
    with pytest.raises(NotRestorable):
        request_restore(make_workspace(), copy=first, actor=ACTOR)

    rule.delete()

    assert prune(workspace, now=OVER) == {"spared": 2}
    restored(make_workspace(), copy=first)


def reading(copy: RemoteCopy) -> None:
    opened_restore(make_workspace(), copy=copy)


def verifying(copy: RemoteCopy) -> None:
    Job.objects.create(kind="snapshots.verify", subject=f"{copy.public_id}:sample", next_run_at=NOW)


@pytest.mark.parametrize("use", [reading, verifying, uploading])
def test_a_copy_in_use_stays(workspace: Workspace, target: RemoteTarget, use: Callable[[RemoteCopy], None]) -> None:
    first, *_, last = copies(workspace, target)
    keep(workspace, 1, last.repository)
    prune(workspace, now=NOW)
    use(first)

    assert prune(workspace, now=OVER)["in_use"] == 1
    assert manifests_in(place_for(last)) == ["c0", "c2"]
    assert RemoteCopy.objects.get(pk=first.pk).state == CopyState.SEALED

    Restore.objects.update(state=RestoreState.DONE, finished_at=NOW)
    Job.objects.update(state=JobState.SUCCEEDED, finished_at=NOW)
    prune(workspace, now=OVER)
    assert manifests_in(place_for(last)) == ["c2"]


def test_while_a_restore_merges_all_copies_of_the_repository_stay(workspace: Workspace, target: RemoteTarget) -> None:
    *_, last = copies(workspace, target)
    keep(workspace, 1, last.repository, grace_hours=0)
    opened_restore(make_workspace(), copy=last, is_merge=True)

    assert prune(workspace, now=NOW) == {"doomed": 2, "in_use": 2}


def test_the_last_copy_stays_whatever_was_judged(workspace: Workspace, target: RemoteTarget) -> None:
    (copy,) = copies(workspace, target, 1)
    RemoteCopy.objects.update(doomed_at=NOW)

    with transaction.atomic():
        assert pruning._begun(copy.repository, copy, Q()) is None

    assert RemoteCopy.objects.get().state == CopyState.SEALED


def test_a_removal_that_was_begun_is_finished(workspace: Workspace, target: RemoteTarget) -> None:
    first, *_, last = copies(workspace, target)
    RemoteCopy.objects.filter(pk=first.pk).update(state=CopyState.DELETING, doomed_at=NOW)

    assert prune(workspace, now=NOW) == {"deleted": 1, "copies": 1, "bytes": first.manifest_bytes}
    assert manifests_in(place_for(last)) == ["c1", "c2"]


def test_a_removal_whose_manifest_is_gone_already_is_finished(workspace: Workspace, target: RemoteTarget) -> None:
    first, *_ = copies(workspace, target)
    RemoteCopy.objects.filter(pk=first.pk).update(state=CopyState.DELETING, doomed_at=NOW)
    place_for(first).delete(manifest_name("c0"))

    prune(workspace, now=NOW)

    assert not RemoteCopy.objects.filter(pk=first.pk).exists()


# --- Copies that somebody deletes


def test_a_copy_that_is_deleted_by_hand_is_gone_at_once(workspace: Workspace, target: RemoteTarget) -> None:
    first, *_ = copies(workspace, target, 2)

    delete_copy(first, actor=ACTOR)

    assert manifests_in(place_for(first)) == ["c1"]
    assert not RemoteCopy.objects.filter(pk=first.pk).exists()
    event = AuditEvent.objects.get(action="copy.deleted")
    assert (event.subject, event.actor, event.details) == ("c0", "test", {"target": "offsite"})


@pytest.mark.parametrize("use", [reading, verifying, uploading])
def test_a_copy_in_use_is_not_deleted_by_hand(
    workspace: Workspace, target: RemoteTarget, use: Callable[[RemoteCopy], None]
) -> None:
    first, *_ = copies(workspace, target, 2)
    use(first)

    with pytest.raises(CopyBusy):
        delete_copy(first, actor=ACTOR)

    assert manifests_in(place_for(first)) == ["c0", "c1"]
    assert RemoteCopy.objects.get(pk=first.pk).doomed_at is None


def test_a_pinned_copy_is_not_deleted_by_hand(workspace: Workspace, target: RemoteTarget) -> None:
    first, *_ = copies(workspace, target, 2)
    pin_copy(first, is_pinned=True, actor=ACTOR)

    with pytest.raises(Pinned):
        delete_copy(first, actor=ACTOR)

    assert manifests_in(place_for(first)) == ["c0", "c1"]


# --- Uploads that nobody goes on with


def unfinished(workspace: Workspace, target: RemoteTarget, state: JobState = JobState.CANCELLED) -> RemoteCopy:
    """A copy whose upload has ended without it, now."""
    fill(workspace, {"own": random_bytes(5000, "unfinished")})
    snapshot = create_snapshot(workspace, name="half", actor=ACTOR)
    copy = request_upload(workspace, snapshot, target, actor=ACTOR)
    end_upload(copy, now=NOW, state=state)
    return copy


def test_an_upload_that_was_given_up_goes_after_a_week(workspace: Workspace, target: RemoteTarget) -> None:
    copies(workspace, target, 1)
    copy = unfinished(workspace, target)
    holds = Hold.objects.filter(workspace=workspace).count()

    assert prune(workspace, now=NOW + 7 * DAY - HOUR) == {}
    assert prune(workspace, now=NOW + 7 * DAY) == {"unfinished": 1}

    assert not RemoteCopy.objects.filter(pk=copy.pk).exists()
    assert Hold.objects.filter(workspace=workspace).count() == holds - 1
    assert Snapshot.objects.filter(name="half").exists()


def test_an_upload_that_a_newer_copy_has_overtaken_goes_after_a_day(workspace: Workspace, target: RemoteTarget) -> None:
    unfinished(workspace, target, JobState.FAILED)
    uploaded(workspace, target, "newer")

    assert prune(workspace, now=NOW + DAY - HOUR) == {}
    assert prune(workspace, now=NOW + DAY) == {"unfinished": 1}


def test_an_upload_that_waits_for_its_next_attempt_stays(workspace: Workspace, target: RemoteTarget) -> None:
    copy = unfinished(workspace, target)
    request_upload(workspace, Snapshot.objects.get(name="half"), target, actor=ACTOR)
    uploaded(workspace, target, "newer")

    assert prune(workspace, now=NOW + 90 * DAY) == {}
    assert RemoteCopy.objects.filter(pk=copy.pk).exists()


def test_a_manifest_that_another_hub_has_under_the_name_stays(workspace: Workspace, target: RemoteTarget) -> None:
    copy = unfinished(workspace, target)
    other = make_workspace()
    theirs = uploaded(other, target, "half")
    manifest = place_for(theirs).read(manifest_name("half"), most_bytes=1 << 20)
    place_for(copy).put(manifest_name("half"), manifest)

    assert prune(workspace, now=NOW + 7 * DAY) == {"unfinished": 1}

    assert place_for(copy).read(manifest_name("half"), most_bytes=1 << 20) == manifest


def test_a_manifest_of_a_copy_that_was_killed_before_it_was_sealed_goes_with_it(
    workspace: Workspace, target: RemoteTarget
) -> None:
    (copy,) = copies(workspace, target, 1)
    RemoteCopy.objects.update(state=CopyState.UPLOADING, sealed_at=None)
    end_upload(copy, now=NOW, state=JobState.CANCELLED)

    assert prune(workspace, now=NOW + 7 * DAY)["unfinished"] == 1

    assert manifests_in(place_for(copy)) == []


def half_a_pack(repository: Repository, *, created_at: datetime) -> Pack:
    """The row, and the object that may have arrived."""
    digest = random_bytes(32, "half a pack")
    copy = RemoteCopy(repository=repository)
    place_for(copy).put(pack_name(digest), b"half")
    return Pack.objects.create(
        repository=repository,
        digest=digest,
        salt=bytes(16),
        key_id=uuid4(),
        state=PackState.UPLOADING,
        created_at=created_at,
    )


def test_packs_that_never_arrived_go_when_no_upload_goes_on(workspace: Workspace, target: RemoteTarget) -> None:
    (copy,) = copies(workspace, target, 1)
    pack = half_a_pack(copy.repository, created_at=NOW)

    assert prune(workspace, now=OVER - HOUR) == {}
    assert Pack.objects.get(pk=pack.pk).doomed_at is None
    prune(workspace, now=OVER)
    assert prune(workspace, now=OVER + DAY) == {"packs": 1}

    assert not Pack.objects.filter(pk=pack.pk).exists()
    assert pack_name(bytes(pack.digest)) not in packs_in(place_for(copy))


@pytest.mark.parametrize("doomed_at", [None, NOW])
def test_packs_of_an_upload_that_goes_on_stay(
    workspace: Workspace, target: RemoteTarget, doomed_at: datetime | None
) -> None:
    (copy,) = copies(workspace, target, 1)
    pack = half_a_pack(copy.repository, created_at=NOW)
    Pack.objects.filter(pk=pack.pk).update(doomed_at=doomed_at)
    uploading(copy)

    assert prune(workspace, now=NOW + 9 * DAY) == {}

    assert Pack.objects.get(pk=pack.pk).doomed_at == doomed_at


# --- Packs and other objects


def test_a_pack_that_is_needed_again_is_spared(workspace: Workspace, target: RemoteTarget) -> None:
    *_, last = copies(workspace, target)
    Pack.objects.update(doomed_at=NOW)

    assert prune(workspace, now=OVER) == {}

    assert not Pack.objects.filter(doomed_at__isnull=False).exists()
    assert len(packs_in(place_for(last))) == 3


def test_objects_that_a_killed_run_left_are_deleted(workspace: Workspace, target: RemoteTarget) -> None:
    (copy,) = copies(workspace, target, 1)
    place_for(copy).put("left/over", b"x")
    for name in ("left/over", "never/there"):
        DoomedObject.objects.create(repository=copy.repository, name=name, created_at=NOW)

    prune(workspace, now=NOW)

    assert not DoomedObject.objects.exists()
    assert [name for name in objects_in(target) if name.endswith("left/over")] == []


def test_packs_stay_while_a_copy_is_there_whose_packs_are_not_known(workspace: Workspace, target: RemoteTarget) -> None:
    first, *_, last = copies(workspace, target)
    CopyPack.objects.filter(copy=first).delete()
    keep(workspace, 1, last.repository)
    RemoteCopy.objects.filter(pk=first.pk).update(is_pinned=True)
    prune(workspace, now=NOW)
    prune(workspace, now=OVER)

    prune(workspace, now=OVER + 2 * DAY)

    assert len(packs_in(place_for(last))) == 3


def test_a_prune_with_nothing_to_let_go_does_not_ask_the_target(workspace: Workspace, target: RemoteTarget) -> None:
    copies(workspace, target, 2)
    Path(target.options["directory"]).rename(Path(target.options["directory"]).with_name("away"))
    RemoteTarget.objects.update(options={"directory": "/nonexistent/away/offsite"})

    assert prune(workspace, now=NOW + 9 * DAY) == {}
