"""Pruning that is killed before each of its steps once: nothing half done, nothing forgotten."""

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from apps.files.models import Hold
from apps.snapshots.actions import create_snapshot
from apps.snapshots.format.names import pack_name
from apps.snapshots.models import CopyPack, DoomedObject, Pack, RemoteCopy, Snapshot
from apps.snapshots.policies import set_retention
from tests.factories import ACTOR, make_workspace
from tests.snapshots.work import (
    directory_target,
    fill,
    manifests_in,
    packs_in,
    place_for,
    random_bytes,
    restored,
    tree,
    uploaded,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

NOW = timezone.now() + timedelta(minutes=40)


def test_killed_anywhere_a_prune_is_finished_by_the_next(
    tmp_path: Path, another_process: Callable[..., "subprocess.Popen[str]"]
) -> None:
    workspace, target = make_workspace(), directory_target(tmp_path / "offsite")
    for number in range(4):
        fill(workspace, {"own": random_bytes(5000, f"own {number}"), "shared": b"shared"})
        last = uploaded(workspace, target, f"c{number}")
    create_snapshot(workspace, name="newest", actor=ACTOR)
    for repository in (None, last.repository):
        set_retention(workspace, repository, {"keep_last": 1, "grace_hours": 0}, actor=ACTOR)
    files, place = tree(workspace), place_for(last)
    # Packs that no copy needs are doomed by one run, and go with another a day later: here that is in the past.
    Pack.objects.exclude(copy_links__copy=last).update(doomed_at=NOW - timedelta(days=2))

    deaths = tmp_path / "deaths"
    deaths.touch()
    for moment in (NOW, NOW + timedelta(days=2)):
        process = another_process("-m", "tests.snapshots.dying", str(workspace.pk), moment.isoformat(), str(deaths))
        assert process.wait(timeout=300) == 0

    steps = deaths.read_text().splitlines()
    assert {"REMOVE manifest", "REMOVE pack"} <= set(steps)
    assert len([step for step in steps if step.startswith("DELETE")]) == 7
    assert list(Snapshot.objects.values_list("name", flat=True)) == ["newest"]
    assert Hold.objects.count() == 1
    assert (list(RemoteCopy.objects.values_list("name", flat=True)), manifests_in(place)) == (["c3"], ["c3"])
    assert not DoomedObject.objects.exists()
    needed = {pack_name(bytes(link.pack.digest)) for link in CopyPack.objects.select_related("pack")}
    assert set(packs_in(place)) == needed == {pack_name(bytes(pack.digest)) for pack in Pack.objects.all()}
    other = make_workspace()
    restored(other, copy=last)
    assert tree(other) == files
