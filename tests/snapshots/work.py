"""Workspaces with files, their copies in targets, and what became of both."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.blobs.models import Blob
from apps.blobs.objects import blob_chunks
from apps.blobs.queries import stored_blobs
from apps.common.conditions import ANY
from apps.common.ids import uuid7
from apps.files import purging
from apps.files.actions import all_applied, apply_changes
from apps.files.as_of import files_as_of
from apps.files.changes import ChangeItem
from apps.files.models import ChangeSet
from apps.files.queries import position
from apps.jobs import leases, running
from apps.jobs.actions import enqueue
from apps.jobs.leases import Claim
from apps.jobs.models import Job
from apps.jobs.runs import JobRun
from apps.snapshots.actions import create_snapshot
from apps.snapshots.copies import refresh, request_upload, request_verify
from apps.snapshots.format.extracting import extract
from apps.snapshots.format.manifests import ChunkRef, Details, Entry, Header, ManifestWriter, PackRef
from apps.snapshots.format.names import PACKS, copy_of, manifest_name, pack_name
from apps.snapshots.format.packs import PackDraft, sealed_pack
from apps.snapshots.format.reading import CopyReader
from apps.snapshots.format.sealing import Seal, Unsealed
from apps.snapshots.models import Pack, RemoteCopy, RemoteTarget, Restore
from apps.snapshots.places.base import Place
from apps.snapshots.restores import RESTORE, request_restore
from apps.snapshots.targets import add_target, place_of, place_of_repository, seals_of
from apps.workspaces.actions import update_workspace_settings
from apps.workspaces.models import Workspace
from tests.conftest import Bucket
from tests.factories import ACTOR, make_content
from tests.files.client import everything
from tests.files.work import run as run_upkeep
from tests.snapshots.format.writing import folder_of

MASTER_KEY = f"one:{'5c' * 32}"


def directory_target(directory: Path, name: str = "offsite", **options: Any) -> RemoteTarget:
    return add_target(name, kind="directory", options={"directory": str(directory)}, actor=ACTOR, **options)


def bucket_target(bucket: Bucket, *, endpoint_url: str = "", timeout_s: float = 10.0, **others: Any) -> RemoteTarget:
    options = {
        "bucket": bucket.name,
        "prefix": "copies",
        "endpoint_url": endpoint_url or bucket.endpoint_url,
        "timeout_s": timeout_s,
    }
    keys = {"access_key": bucket.access_key, "secret_key": bucket.secret_key}
    return add_target("offsite", kind="s3", options=options, secrets=keys, actor=ACTOR, **others)


def fill(workspace: Workspace, files: Mapping[str, bytes | None], content_type: str = "text/markdown") -> None:
    """Writes files, and deletes those whose bytes are None, in one change."""
    items = [
        ChangeItem(path, ANY) if data is None else ChangeItem(path, ANY, make_content(workspace, data), content_type)
        for path, data in files.items()
    ]
    all_applied(apply_changes(workspace, items, all_or_nothing=True, actor=ACTOR))


def tree(workspace: Workspace) -> dict[str, bytes]:
    """The files that the workspace has now."""
    rows = list(files_as_of(workspace.pk, sequence(workspace)))
    blobs = stored_blobs(workspace.pk, {row.sha256 for row in rows})
    return {row.path: b"".join(blob_chunks(blobs[row.sha256], 0, row.size_bytes)) for row in rows}


def sequence(workspace: Workspace) -> int:
    return position(workspace.pk).last_sequence


def done(job: Job) -> str | None:
    """Does a job that is due, and gives its outcome."""
    claim = leases.claim(job.pk)
    outcome = None if claim is None else done_by(claim)
    job.refresh_from_db()
    return outcome


def done_by(claim: Claim) -> str:
    """As `run_claimed`, but without a heartbeat: that would not see a job which its test has not committed."""
    return running._written(claim, running._called(JobRun(claim)), now=None, chance=0.5).word


def run(kind: str, subject: str) -> tuple[str | None, Job]:
    """Does a job that was asked for: its outcome, and the job."""
    job = Job.objects.filter(kind=kind, subject=subject).order_by("-pk")[0]
    return done(job), job


def upload(copy: RemoteCopy) -> tuple[str | None, Job]:
    outcome, job = run("snapshots.upload", str(copy.public_id))
    copy.refresh_from_db()
    return outcome, job


def uploaded(workspace: Workspace, target: RemoteTarget, name: str = "", **options: Any) -> RemoteCopy:
    """A copy of the workspace as it is now."""
    copy = request_upload(workspace, create_snapshot(workspace, name=name, actor=ACTOR, **options), target, actor=ACTOR)
    outcome, job = upload(copy)
    assert outcome == "succeeded", job.error_detail
    return copy


def restore(workspace: Workspace, **wish: Any) -> tuple[Restore, Job]:
    """A restore that has ended, and its job."""
    asked = request_restore(workspace, actor=ACTOR, **wish)
    _, job = run(RESTORE, str(asked.public_id))
    asked.refresh_from_db()
    return asked, job


def restored(workspace: Workspace, **wish: Any) -> Restore:
    ended, job = restore(workspace, **wish)
    assert (ended.state, job.state) == ("done", "succeeded"), job.error_detail
    return ended


def verified(copy: RemoteCopy, mode: str) -> dict[str, Any]:
    """The result of a verification that came to its end."""
    job = request_verify(copy, mode, actor=ACTOR)
    assert done(job) == "succeeded", job.error_detail
    copy.refresh_from_db()
    return job.result or {}


def place_for(copy: RemoteCopy) -> Place:
    return place_of_repository(copy.repository)


def packs_in(place: Place) -> list[str]:
    return [entry.name for entry in place.names(PACKS)]


def manifests_in(place: Place) -> list[str]:
    """The names of the copies that anybody who lists the place sees."""
    return [name for entry in place.names() if (name := copy_of(entry.name)) is not None]


def objects_in(target: RemoteTarget) -> dict[str, bytes]:
    """Every object of a whole target."""
    place = place_of(target)
    return {entry.name: place.read(entry.name, most_bytes=1 << 30) for entry in place.names()}


def extracted(place: Place, name: str, directory: Path) -> dict[str, bytes]:
    """The files of a copy, read without any row."""
    with CopyReader(place, name, seals_of(place)) as reader:
        extract(reader, directory)
    return folder_of(directory)


def random_bytes(size_bytes: int, seed: str) -> bytes:
    """Bytes that do not shrink, and are the same for the same seed."""
    return hashlib.shake_256(seed.encode()).digest(size_bytes)


def run_now(kind: str, subject: str, workspace: Workspace) -> tuple[str | None, Job]:
    """Asks for a job, and does it."""
    enqueue(kind, subject, workspace_id=workspace.pk, actor=str(ACTOR))
    return run(kind, subject)


def forget_history(workspace: Workspace) -> None:
    """As if all was written long ago, and no history was wanted: what nothing holds is gone, with its bytes."""
    update_workspace_settings(workspace, {"history_days": 1, "tombstone_days": 1}, actor=ACTOR)
    long_ago = timezone.now() - timedelta(days=100)
    ChangeSet.objects.update(created_at=long_ago)
    Blob.objects.update(created_at=long_ago)
    run_upkeep(purging.RETAIN_KIND, workspace)
    run_upkeep(purging.COLLECT_KIND, workspace)


OTHER_HUB = UUID("01900000-0000-7000-8000-0000000000ff")


def sent_by_another_hub(
    place: Place,
    name: str,
    files: Mapping[str, bytes],
    *,
    parent: UUID | None = None,
    created_at: datetime | None = None,
    kind: str = "manual",
    writer: UUID = OTHER_HUB,
    seal: Seal | None = None,
    vector: Mapping[UUID, UUID] | None = None,
) -> UUID:
    """Lays a copy into a repository as another hub would, and gives its id."""
    seal = seal or Unsealed()
    draft, writing, copy_id = PackDraft(0), ManifestWriter(), uuid7()
    for path, data in sorted(files.items(), key=lambda item: item[0].encode()):
        sha256 = hashlib.sha256(data).digest()
        chunks = (ChunkRef(0, draft.add(sha256, data), len(data), sha256),) if data else ()
        writing.add(Entry(path, sha256, len(data), "text/markdown", 1_760_000_000_000, chunks))
    packs = []
    if draft.chunks:
        payload = draft.payload()
        digest = seal.digest(payload)
        stored = sealed_pack(payload, digest, seal)
        place.put(pack_name(digest), stored)
        packs.append(PackRef(digest, len(stored)))
    made_at = created_at or timezone.now()
    sums = (writing.files, writing.size_bytes)
    header = Header(copy_id, name, "theirs", writer, kind, made_at, parent, *sums, vector or {})
    manifest = BytesIO()
    writing.write(manifest, header, Details(1), packs, seal)
    place.put(manifest_name(name), manifest.getvalue())
    return copy_id


@contextmanager
def nothing_is_restored() -> Iterator[None]:
    """Fails when the block changes anything but what goes by itself: a hold, and objects that no row will name."""
    before = everything()
    yield
    after = everything()
    for name in ("Hold", "ObjectIntent"):
        del before[name], after[name]
    assert after == before


def asked(workspace: Workspace, target: RemoteTarget, name: str = "first") -> RemoteCopy:
    """A copy that waits for its upload."""
    return request_upload(workspace, create_snapshot(workspace, name=name, actor=ACTOR), target, actor=ACTOR)


def again(copy: RemoteCopy) -> str | None:
    """The outcome of the upload's next attempt, made whether or not it would be due."""
    waiting = Job.objects.filter(kind="snapshots.upload", subject=str(copy.public_id), state="queued")
    if not waiting.update(next_run_at=timezone.now()):
        enqueue("snapshots.upload", str(copy.public_id), workspace_id=copy.repository.workspace_id)
    return upload(copy)[0]


def change_object(place: Place, name: str, change: Callable[[bytes], bytes]) -> None:
    """Damages an object of a target."""
    place.put(name, change(place.read(name, most_bytes=1 << 30)))


def flipped(data: bytes, at: float = 0.5) -> bytes:
    """With a bit turned, so far from the beginning."""
    index = min(int(len(data) * at), len(data) - 1)
    return data[:index] + bytes([data[index] ^ 0x40]) + data[index + 1 :]


def by_another_hub(copy: RemoteCopy) -> RemoteCopy:
    """The same copy as another hub sees it: none of it is its own."""
    repository = copy.repository
    RemoteCopy.objects.all().delete()
    Pack.objects.all().delete()
    refresh(repository)
    return RemoteCopy.objects.select_related("repository__target", "repository__workspace").get()
