"""Buckets that fail and lie: never a copy that is none, never half a restore."""

import random
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.jobs.models import Job
from apps.snapshots.copies import refresh, request_verify
from apps.snapshots.errors import NotRestorable
from apps.snapshots.models import CopyState, PackState, RemoteCopy, RemoteTarget
from apps.snapshots.queries import latest_copy
from apps.snapshots.restores import request_restore
from apps.workspaces.models import Workspace
from tests.conftest import Bucket
from tests.factories import ACTOR, make_workspace
from tests.fakes.faulty_proxy import Fault, FaultyProxy
from tests.fakes.lying_s3 import Lie, LyingS3
from tests.snapshots.work import (
    again,
    asked,
    bucket_target,
    extracted,
    fill,
    manifests_in,
    nothing_is_restored,
    objects_in,
    place_for,
    random_bytes,
    restore,
    restored,
    run,
    tree,
    upload,
    uploaded,
    verified,
)

pytestmark = pytest.mark.django_db

FILES = {f"notes/{number:02}.md": f"note {number}".encode() * 50 for number in range(20)} | {
    "big.bin": random_bytes(1_200_000, "big"),
    "empty.md": b"",
}
TIMEOUT_S = 0.3
FAILING = [Fault.STATUS_500, Fault.STATUS_503, Fault.RESET, Fault.HANG]


@pytest.fixture
def workspace(db: None) -> Workspace:
    made = make_workspace()
    fill(made, FILES)
    return made


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 tries as often as always, but without its pauses."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)


@pytest.fixture
def faulty(s3_server: Bucket, no_pauses: None) -> Iterator[FaultyProxy]:
    """The way to a bucket, which fails when it is told to."""
    with FaultyProxy(s3_server.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def target(faulty: FaultyProxy, s3_server: Bucket) -> RemoteTarget:
    """At the end of that way."""
    return bucket_target(s3_server, endpoint_url=faulty.url, timeout_s=TIMEOUT_S)


def assert_honest(copy: RemoteCopy, directory: Path) -> None:
    """What is listed can be restored, and nothing else says that it can."""
    place = place_for(copy)
    copy.refresh_from_db()
    assert (copy.name in manifests_in(place)) or copy.state == CopyState.UPLOADING
    assert copy.damage == ""
    for name in manifests_in(place):
        assert extracted(place, name, directory / name) == FILES


# --- Uploads


@pytest.mark.parametrize("fault", FAILING)
def test_an_upload_to_a_bucket_that_fails_is_tried_again_and_then_whole(
    workspace: Workspace, target: RemoteTarget, faulty: FaultyProxy, tmp_path: Path, fault: Fault
) -> None:
    copy = asked(workspace, target)

    with faulty.failing(fault):
        outcome, job = upload(copy)
    failed = (outcome, job.error_code, copy.state, manifests_in(place_for(copy)))
    copy.repository.refresh_from_db()
    failure = copy.repository.failure
    second = again(copy)

    assert failed == ("retry", "target_unavailable", CopyState.UPLOADING, [])
    assert failure != ""
    assert second == "succeeded"
    assert_honest(copy, tmp_path)


@pytest.mark.parametrize("fault", [*Fault])
def test_whatever_happens_to_requests_a_copy_is_sealed_only_when_it_is_whole(
    workspace: Workspace, target: RemoteTarget, faulty: FaultyProxy, tmp_path: Path, fault: Fault
) -> None:
    copy = asked(workspace, target)

    for number, method in enumerate(("GET", "PUT", "HEAD")):
        with faulty.failing(fault, method, times=3):
            again(copy)
        assert_honest(copy, tmp_path / f"during-{number}")
    while copy.state != CopyState.SEALED:
        assert again(copy) in ("retry", "succeeded")

    assert_honest(copy, tmp_path / "after")


@pytest.mark.parametrize("seed", range(2))
def test_an_upload_over_a_way_that_fails_now_and_then_arrives_whole(
    workspace: Workspace, s3_server: Bucket, no_pauses: None, tmp_path: Path, seed: int
) -> None:
    with Unsteady(s3_server.endpoint_url, seed) as proxy:
        copy = asked(workspace, bucket_target(s3_server, endpoint_url=proxy.url, timeout_s=TIMEOUT_S))

        attempts = 0
        while copy.state != CopyState.SEALED:
            attempts += 1
            assert attempts < 60
            again(copy)
        proxy.share = 0.0

        assert_honest(copy, tmp_path)


class Unsteady(FaultyProxy):
    """A share of all requests fails, in one way or another."""

    FAULTS = (Fault.STATUS_500, Fault.RESET, Fault.RESET_AFTER, Fault.BREAK_OFF, Fault.RESET_MIDWAY)

    def __init__(self, target: str, seed: int) -> None:
        super().__init__(target)
        self._chance = random.Random(seed)
        self.share = 0.4

    def fault_of(self, method: str) -> Fault | None:
        return self._chance.choice(self.FAULTS) if self._chance.random() < self.share else None


@pytest.mark.parametrize(
    ("about", "lie"), [*product(["/packs/"], Lie), ("/manifest.mhs", Lie.FORGET), ("/manifest.mhs", Lie.HALVE)]
)
def test_what_a_bucket_said_that_it_wrote_and_did_not_is_no_copy(
    workspace: Workspace, s3_server: Bucket, tmp_path: Path, lie: Lie, about: str
) -> None:
    with LyingS3(s3_server.endpoint_url) as liar:
        target = bucket_target(s3_server, endpoint_url=liar.url)
        copy = asked(workspace, target)
        liar.lie, liar.about = lie, about
        outcome, job = upload(copy)
        liar.lie = None
        lied = (outcome, job.error_code, copy.state)
        second = again(copy)

        assert lied == ("retry", "target_unavailable", CopyState.UPLOADING)
        assert second == "succeeded"
        assert_honest(copy, tmp_path)


@pytest.mark.parametrize("lie", [Lie.HALVE, Lie.EMPTY])
def test_half_a_manifest_is_nothing_to_restore_from(workspace: Workspace, s3_server: Bucket, lie: Lie) -> None:
    with LyingS3(s3_server.endpoint_url) as liar:
        copy = asked(workspace, bucket_target(s3_server, endpoint_url=liar.url))
        liar.lie, liar.about = lie, "/manifest.mhs"
        upload(copy)
        refresh(copy.repository)

        assert latest_copy(copy.repository) is None
        with pytest.raises(NotRestorable):
            request_restore(make_workspace(), copy=copy, actor=ACTOR)


# --- Verifications


@pytest.mark.parametrize("mode", ["listing", "full"])
@pytest.mark.parametrize("fault", FAILING)
def test_a_bucket_that_fails_is_no_damage(
    workspace: Workspace, target: RemoteTarget, faulty: FaultyProxy, fault: Fault, mode: str
) -> None:
    copy = uploaded(workspace, target)
    job = request_verify(copy, mode, actor=ACTOR)

    with faulty.failing(fault):
        outcome, _ = run("snapshots.verify", job.subject)

    copy.refresh_from_db()
    assert (outcome, copy.damage, copy.verified_at) == ("retry", "", None)


@pytest.mark.parametrize("fault", [Fault.SHORTEN, Fault.DAMAGE])
def test_an_answer_that_was_damaged_on_the_way_once_is_no_damage(
    workspace: Workspace, target: RemoteTarget, faulty: FaultyProxy, fault: Fault
) -> None:
    copy = uploaded(workspace, target)

    for times in (1, 2):
        with faulty.failing(fault, "GET", times=times):
            job = request_verify(copy, "full", actor=ACTOR)
            run("snapshots.verify", job.subject)
        copy.refresh_from_db()
        if times == 1:
            assert copy.damage == ""
    verified(copy, "full")
    assert (copy.damage, copy.verify_mode) == ("", "full")
    assert set(copy.repository.packs.values_list("state", flat=True)) == {PackState.STORED}


# --- Restores


@pytest.mark.parametrize("fault", FAILING)
def test_a_restore_from_a_bucket_that_fails_waits_and_changes_nothing(
    workspace: Workspace, target: RemoteTarget, faulty: FaultyProxy, fault: Fault
) -> None:
    copy, other = uploaded(workspace, target), make_workspace()

    with faulty.failing(fault), nothing_is_restored():
        done, job = restore(other, copy=copy)

    assert (done.state, job.state, job.error_code) == ("open", "queued", "target_unavailable")
    Job.objects.filter(pk=job.pk).update(next_run_at=timezone.now())
    run("snapshots.restore", str(done.public_id))
    assert tree(other) == FILES


@pytest.mark.parametrize("fault", [Fault.BREAK_OFF, Fault.RESET_MIDWAY, Fault.SHORTEN, Fault.DAMAGE])
def test_a_restore_whose_answers_are_not_whole_changes_nothing(
    workspace: Workspace, target: RemoteTarget, faulty: FaultyProxy, fault: Fault
) -> None:
    copy, other = uploaded(workspace, target), make_workspace()

    with faulty.failing(fault, "GET"), nothing_is_restored():
        done, job = restore(other, copy=copy)

    if fault in (Fault.BREAK_OFF, Fault.RESET_MIDWAY):
        assert (done.state, job.error_code) == ("open", "target_unavailable")
    else:
        assert (done.state, job.error_code) == ("failed", "copy_damaged")
        assert tree(other) == {}
        restored(other, copy=copy)
        assert tree(other) == FILES


def test_packs_that_fail_after_the_manifest_was_read_change_nothing(workspace: Workspace, s3_server: Bucket) -> None:
    with WithoutPacks(s3_server.endpoint_url) as proxy:
        copy, other = uploaded(workspace, bucket_target(s3_server, endpoint_url=proxy.url)), make_workspace()
        proxy.seen.clear()

        with nothing_is_restored():
            done, job = restore(other, copy=copy)

    assert any(line.startswith("GET") and "manifest.mhs" in line for line in proxy.seen)
    assert (done.state, job.error_code) == ("open", "target_unavailable")


class WithoutPacks(FaultyProxy):
    """Fails whenever a pack is read."""

    def forwarded(self, method: str, path: str, body: bytes, headers: Any) -> Any:
        if method == "GET" and "/packs/" in path:
            return 500, [("Content-Type", "application/xml")], b"<Error><Code>InternalError</Code></Error>"
        return super().forwarded(method, path, body, headers)


# --- What others see of it


def test_a_bucket_shows_whole_copies_only(workspace: Workspace, s3_server: Bucket, tmp_path: Path) -> None:
    """After each write of an upload somebody else lists the bucket, and reads what is listed."""
    with Watched(s3_server.endpoint_url) as proxy:
        copy = asked(workspace, bucket_target(s3_server, endpoint_url=proxy.url))
        place = place_for(copy)
        seen: list[list[str]] = []

        def look() -> None:
            names = manifests_in(place)
            for name in names:
                assert extracted(place, name, tmp_path / f"{len(seen)}-{name}") == FILES
            seen.append(names)

        proxy.look = look
        outcome, _ = upload(copy)

    assert outcome == "succeeded"
    assert len(seen) > 2
    assert seen == [*([[]] * (len(seen) - 1)), ["first"]]


class Watched(FaultyProxy):
    """Looks when the server has done a write, and its answer is not given yet."""

    look: Callable[[], None] = staticmethod(lambda: None)

    def forwarded(self, method: str, path: str, body: bytes, headers: Any) -> Any:
        answer = super().forwarded(method, path, body, headers)
        if method == "PUT":
            self.look()
        return answer


def test_nothing_of_a_failed_upload_is_left_that_nobody_knows(
    workspace: Workspace, target: RemoteTarget, faulty: FaultyProxy
) -> None:
    copy = asked(workspace, target)
    with faulty.failing(Fault.RESET_AFTER, "PUT"):
        upload(copy)

    lying = {name.rpartition("/")[2] for name in objects_in(target)}
    known = {bytes(digest).hex() for digest in copy.repository.packs.values_list("digest", flat=True)}

    assert lying <= known
