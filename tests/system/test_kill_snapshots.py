"""Snapshots, copies and restores after kill -9 at each of their steps: the old state or the new one, nothing between.

Each round kills a process at one step of its work: before it sends a statement or a request, or when that was done and
the answer is on its way. The short form takes three steps of each kind of work; `TEST_KILL_ROUNDS=20 ./hub test -n0 -m
system tests/system/test_kill_snapshots.py` is the long one. The steps are spread over all, and chosen anew each time.
"""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.blobs.objects import spool_directory
from apps.files.as_of import files_as_of
from apps.files.models import Hold
from apps.jobs import leases
from apps.jobs.models import Job, JobState
from apps.snapshots.actions import create_snapshot, restore_snapshot
from apps.snapshots.copies import request_upload, request_verify
from apps.snapshots.format.names import pack_name
from apps.snapshots.models import CopyPack, CopyState, DoomedObject, Pack, RemoteCopy, RemoteTarget, Restore, Snapshot
from apps.snapshots.policies import set_retention
from apps.snapshots.removals import request_prune
from apps.snapshots.restores import request_restore
from apps.snapshots.trials import AREA_PREFIX
from apps.workspaces.models import Workspace
from tests.conftest import Bucket
from tests.factories import ACTOR, make_workspace
from tests.fakes.step_relay import Assassin, StepRelay
from tests.files.client import assert_sound
from tests.services import ROOT
from tests.snapshots.work import (
    MASTER_KEY,
    bucket_target,
    done_by,
    extracted,
    fill,
    manifests_in,
    objects_in,
    packs_in,
    place_for,
    random_bytes,
    tree,
    uploaded,
    verified,
)

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

ROUNDS_VARIABLE = "TEST_KILL_ROUNDS"
SHORT_ROUNDS = 3
LEASE_IS_OVER, NEXT_TRY_IS_DUE = timedelta(hours=1), timedelta(hours=2)
FILES = {f"notes/{number:02}.md": f"note {number}".encode() * 50 for number in range(30)} | {
    "large.bin": random_bytes(2_500_000, "large"),
    "empty.md": b"",
}
CHANGES: dict[str, bytes | None] = {
    "notes/03.md": b"another note",
    "notes/04.md": None,
    "new.md": b"new",
    "large.bin": b"one line in front\n" + FILES["large.bin"],
    "other.bin": random_bytes(1_500_000, "other"),
}
CHANGED = {path: data for path, data in (FILES | CHANGES).items() if data is not None}


class Killing:
    """Work in other processes, each of which can be killed at a step."""

    def __init__(self, assassin: Assassin, victims: "subprocess.Popen[str]") -> None:
        assert victims.stdin is not None and victims.stdout is not None
        self._assassin = assassin
        self._wishes, self._said = victims.stdin, victims.stdout

    def work(self, wish: str, step: int = 0, *, before: bool = True) -> tuple[bool, int]:
        """Whether the work was killed, and how many steps it came to. It must not end in another way."""
        self._assassin.aim(step, before=before)
        self._wishes.write(f"{wish}\n")
        self._wishes.flush()
        self._assassin.name(int(self._said.readline()))
        status = int(self._said.readline())
        steps = self._assassin.steps
        # The relays stay, and so do those who use them in peace.
        self._assassin.aim(0, before=True)
        assert os.WIFSIGNALED(status) or status == 0, f"{wish} ended with {status}"
        return os.WIFSIGNALED(status), steps

    def rounds(self, prepared: Callable[[], str]) -> Iterator[str]:
        """Prepares as many situations as wanted, and kills the work in each; gives what was prepared.

        `prepared` makes a situation and says the wish that is the work in it. First one is worked off in peace.
        """
        killed, total = self.work(prepared())
        assert not killed
        count = int(os.environ.get(ROUNDS_VARIABLE, SHORT_ROUNDS))
        for number in range(count):
            first = number * total // count + 1
            step = random.randint(first, max(first, (number + 1) * total // count))
            before = random.random() < 0.5
            wish = prepared()
            killed, _ = self.work(wish, step, before=before)
            print(f"{wish}: killed {'before' if before else 'after'} step {step} of {total}: {killed}")
            yield wish


@pytest.fixture
def assassin() -> Assassin:
    return Assassin()


@pytest.fixture
def killing(assassin: Assassin, transactional_db: None) -> Iterator[Killing]:
    """The way of the victims to the database can be fatal."""
    database = connection.settings_dict
    socket_path = f"{database['OPTIONS']['host']}/.s.PGSQL.5432"
    with StepRelay(socket_path, assassin) as relay:
        secret = quote(database["PASSWORD"], safe="")
        address = f"postgres://{database['USER']}:{secret}@127.0.0.1:{relay.port}/{database['NAME']}"
        names = ("MEMORYHUB_SECRET_KEY", "MEMORYHUB_TOKEN_KEY", "MEMORYHUB_SECRETS_KEY")
        environment = {
            **os.environ,
            **{name: getattr(settings, name) for name in names},
            "DATABASE_URL": address,
            "MEMORYHUB_SNAPSHOT_KEY": MASTER_KEY,
        }
        victims = subprocess.Popen(
            [sys.executable, "-m", "tests.system.victims"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        yield Killing(assassin, victims)
        victims.kill()
        victims.communicate()


@pytest.fixture
def target(killing: Killing, s3_server: Bucket, assassin: Assassin, settings: Any) -> Iterator[RemoteTarget]:
    """An encrypted target in a bucket, the way to which can be fatal."""
    settings.MEMORYHUB_SNAPSHOT_KEY = MASTER_KEY
    host, _, port = s3_server.endpoint_url.removeprefix("http://").partition(":")
    with StepRelay((host, int(port)), assassin) as relay:
        yield bucket_target(s3_server, endpoint_url=f"http://127.0.0.1:{relay.port}", is_encrypted=True)


def job_of(wish: str) -> Job:
    return Job.objects.get(pk=int(wish.split()[1]))


def revived(job: Job) -> Job:
    """Does what a dead worker has left of a job, as soon as its lease is over."""
    now = timezone.now()
    leases.reclaim_lost(now=now + LEASE_IS_OVER)
    claim = leases.claim(job.pk, now=now + NEXT_TRY_IS_DUE)
    if claim is not None:
        done_by(claim)
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED, job.error_detail
    return job


def holders(workspace: Workspace) -> set[str]:
    return set(Hold.objects.filter(workspace=workspace).values_list("holder", flat=True))


def holders_of_snapshots(workspace: Workspace) -> set[str]:
    return {f"snapshot:{found.public_id}" for found in Snapshot.objects.filter(workspace=workspace)}


# --- Creating


def test_a_snapshot_is_there_with_its_hold_or_not_at_all(killing: Killing) -> None:
    workspace = make_workspace()
    fill(workspace, FILES)
    names = (f"made-{number}" for number in count())

    for wish in killing.rounds(lambda: f"snapshot {workspace.pk} {next(names)}"):
        name = wish.split()[2]
        found = Snapshot.objects.filter(workspace=workspace, name=name).first()
        assert holders(workspace) == holders_of_snapshots(workspace)
        if found is None:
            found = create_snapshot(workspace, name=name, actor=ACTOR)
        assert (found.files, found.size_bytes) == (len(FILES), sum(map(len, FILES.values())))
        assert [row.path for row in files_as_of(workspace.pk, found.sequence)] == sorted(FILES)
    assert_sound()


# --- Uploading


@pytest.mark.parametrize("is_first", [True, False], ids=["the first copy", "the second copy"])
def test_a_copy_is_listed_when_it_is_whole_and_is_sealed_by_the_next_run(
    killing: Killing, target: RemoteTarget, tmp_path: Path, is_first: bool
) -> None:
    copies: list[RemoteCopy] = []

    def prepared() -> str:
        workspace = make_workspace()
        fill(workspace, FILES)
        if not is_first:
            uploaded(workspace, target, "old")
        fill(workspace, CHANGES)
        snapshot = create_snapshot(workspace, name="new", actor=ACTOR)
        copies.append(request_upload(workspace, snapshot, target, actor=ACTOR))
        return f"job {Job.objects.get(kind='snapshots.upload', subject=str(copies[-1].public_id)).pk}"

    expected = {"old": FILES, "new": CHANGED}
    for wish in killing.rounds(prepared):
        copy = copies[-1]
        workspace, place = copy.repository.workspace, place_for(copy)
        copy.refresh_from_db()
        listed = manifests_in(place)
        assert copy.state == CopyState.UPLOADING or "new" in listed
        assert set(listed) >= (set() if is_first else {"old"})
        for name in listed:
            assert extracted(place, name, tmp_path / str(workspace.pk) / name) == expected[name]

        revived(job_of(wish))

        copy.refresh_from_db()
        assert (copy.state, copy.name, copy.damage) == (CopyState.SEALED, "new", "")
        assert extracted(place, "new", tmp_path / str(workspace.pk) / "again") == CHANGED
        digests = Pack.objects.filter(repository=copy.repository).values_list("digest", flat=True)
        # An object that no row names would never be deleted.
        assert set(packs_in(place)) <= {pack_name(bytes(digest)) for digest in digests}
        assert holders(workspace) == holders_of_snapshots(workspace)
        verified(copy, "full")
        assert copy.damage == ""
    assert_sound()


# --- Restoring


@pytest.mark.parametrize("is_other", [False, True], ids=["the same workspace", "another workspace"])
def test_a_restore_is_done_whole_or_not_at_all(killing: Killing, target: RemoteTarget, is_other: bool) -> None:
    restores: list[Restore] = []

    def prepared() -> str:
        workspace = make_workspace()
        fill(workspace, FILES)
        copy = uploaded(workspace, target)
        fill(workspace, CHANGES)
        into = make_workspace() if is_other else workspace
        restores.append(request_restore(into, copy=copy, delete=True, actor=ACTOR))
        return f"job {Job.objects.get(kind='snapshots.restore', subject=str(restores[-1].public_id)).pk}"

    before = {} if is_other else CHANGED
    for wish in killing.rounds(prepared):
        restore = restores[-1]
        workspace = restore.workspace
        restore.refresh_from_db()
        is_done = restore.state == "done"
        assert tree(workspace) == (FILES if is_done else before)
        assert (restore.safety is not None) is is_done
        assert Snapshot.objects.filter(workspace=workspace, kind="safety").count() == int(is_done)

        revived(job_of(wish))

        restore.refresh_from_db()
        assert (restore.state, tree(workspace)) == ("done", FILES)
        assert holders(workspace) == holders_of_snapshots(workspace)
        (safety,) = Snapshot.objects.filter(workspace=workspace, kind="safety")
        restore_snapshot(workspace, safety, delete=True, actor=ACTOR)
        assert tree(workspace) == before
    assert_sound()


# --- Pruning


@pytest.mark.parametrize("what", ["copies", "packs"])
def test_what_a_prune_leaves_is_whole(killing: Killing, target: RemoteTarget, tmp_path: Path, what: str) -> None:
    lasts: list[RemoteCopy] = []
    files: dict[str, dict[str, bytes]] = {}
    for number in range(3):
        before = files.get(f"c{number - 1}", {"shared": b"shared"})
        files[f"c{number}"] = before | {"own": f"own {number}".encode(), f"{number}": b"%d" % number}

    def prepared() -> str:
        workspace = make_workspace()
        for number in range(3):
            fill(workspace, files[f"c{number}"])
            last = uploaded(workspace, target, f"c{number}")
        lasts.append(last)
        set_retention(workspace, last.repository, {"keep_last": 1, "grace_hours": 0}, actor=ACTOR)
        job = request_prune(workspace.pk, actor=ACTOR)
        if what == "packs":
            # Packs go a day after the copies that needed them.
            revived(job)
            Pack.objects.filter(doomed_at__isnull=False).update(doomed_at=timezone.now() - timedelta(days=2))
            job = request_prune(workspace.pk, actor=ACTOR)
        return f"job {job.pk}"

    for wish in killing.rounds(prepared):
        last = lasts[-1]
        workspace, place = last.repository.workspace, place_for(last)
        for name in manifests_in(place):
            assert extracted(place, name, tmp_path / str(workspace.pk) / name) == files[name]
        sealed = RemoteCopy.objects.filter(repository=last.repository, state=CopyState.SEALED)
        assert {copy.name for copy in sealed} <= set(manifests_in(place))

        revived(job_of(wish))

        assert manifests_in(place) == ["c2"]
        links = CopyPack.objects.filter(copy=last).select_related("pack")
        needed = {pack_name(bytes(link.pack.digest)) for link in links}
        if what == "packs":
            assert set(packs_in(place)) == needed
            assert not DoomedObject.objects.exists()
        assert set(packs_in(place)) >= needed
        assert extracted(place, "c2", tmp_path / str(workspace.pk) / "again") == files["c2"]
        assert holders(workspace) == holders_of_snapshots(workspace)
    assert_sound()


# --- Trial restores


def test_a_trial_restore_leaves_a_directory_that_the_next_removes(killing: Killing, target: RemoteTarget) -> None:
    copies: list[RemoteCopy] = []
    home = spool_directory()
    assert home is not None

    def prepared() -> str:
        workspace = make_workspace()
        fill(workspace, FILES)
        copies.append(uploaded(workspace, target))
        return f"job {request_verify(copies[-1], 'trial', actor=ACTOR).pk}"

    for wish in killing.rounds(prepared):
        before = objects_in(target)

        revived(job_of(wish))

        copies[-1].refresh_from_db()
        assert (copies[-1].damage, copies[-1].verify_mode) == ("", "trial")
        verified(copies[-1], "trial")
        assert list(home.glob(f"{AREA_PREFIX}*")) == []
        assert objects_in(target) == before
