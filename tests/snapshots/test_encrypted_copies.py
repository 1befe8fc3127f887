"""Copies that are encrypted before they leave the hub."""

from pathlib import Path
from typing import Any

import pytest

from apps.accounts.actors import Actor
from apps.jobs.actions import enqueue
from apps.snapshots.actions import create_snapshot
from apps.snapshots.copies import request_upload
from apps.snapshots.models import CopyState, RemoteTarget
from apps.snapshots.targets import add_target
from apps.workspaces.models import Workspace
from tests.factories import ACTOR
from tests.snapshots.offsite import MIB, NOTES, encrypted, target, workspace
from tests.snapshots.work import (
    extracted,
    fill,
    objects_in,
    place_for,
    upload,
    uploaded,
)

__all__ = ["encrypted", "target", "workspace"]
pytestmark = pytest.mark.django_db


def test_nothing_can_be_read_in_an_encrypted_target(workspace: Workspace, encrypted: RemoteTarget) -> None:
    texts = {f"secret-folder/private-{number}.md": f"very private words {number}".encode() for number in range(50)}
    fill(workspace, texts, content_type="text/x-private")
    copy = request_upload(
        workspace,
        create_snapshot(workspace, name="first", message="whispered", tags=["hushed"], actor=Actor("user:nobody")),
        encrypted,
        actor=ACTOR,
    )
    upload(copy)

    objects = objects_in(encrypted)

    hidden = [b"private", b"secret-folder", b"whispered", b"hushed", b"nobody", b"x-private"]
    assert [word for word in hidden for name, data in objects.items() if word in data or word in name.encode()] == []
    assert len(objects) == 3


def test_the_key_lies_wrapped_in_the_target_before_anything_it_seals(
    workspace: Workspace, encrypted: RemoteTarget, tmp_path: Path
) -> None:
    fill(workspace, NOTES)
    first = uploaded(workspace, encrypted)
    (key,) = [name for name in objects_in(encrypted) if "/keys/" in name]
    second = uploaded(workspace, encrypted)

    assert [name for name in objects_in(encrypted) if "/keys/" in name] == [key]
    assert b"5c5c" not in objects_in(encrypted)[key]
    assert second.new_bytes == 0
    assert extracted(place_for(first), first.name, tmp_path / "back") == NOTES


def test_a_key_that_is_gone_from_the_target_is_put_back_by_the_next_copy(
    workspace: Workspace, encrypted: RemoteTarget, tmp_path: Path
) -> None:
    fill(workspace, NOTES)
    first = uploaded(workspace, encrypted)
    (key,) = [entry.name for entry in place_for(first).names(".memoryhub/keys")]
    before = place_for(first).read(key, most_bytes=MIB)
    place_for(first).delete(key)

    uploaded(workspace, encrypted)

    assert place_for(first).read(key, most_bytes=MIB) == before
    assert extracted(place_for(first), first.name, tmp_path / "back") == NOTES


def test_without_the_master_key_nothing_is_sent(workspace: Workspace, encrypted: RemoteTarget, settings: Any) -> None:
    fill(workspace, NOTES)
    settings.MEMORYHUB_SNAPSHOT_KEY = ""
    copy = request_upload(workspace, create_snapshot(workspace, actor=ACTOR), encrypted, actor=ACTOR)

    outcome, job = upload(copy)

    assert (outcome, job.error_code) == ("failed", "copy_key_missing")
    assert objects_in(encrypted) == {}
    copy.repository.refresh_from_db()
    assert copy.repository.failing_since is not None
    assert copy.state == CopyState.UPLOADING


def test_a_target_that_fails_is_told_until_an_upload_arrives(workspace: Workspace, tmp_path: Path) -> None:
    target = add_target("offsite", kind="directory", options={"directory": str(tmp_path / "file")}, actor=ACTOR)
    (tmp_path / "file").write_bytes(b"in the way")
    fill(workspace, NOTES)
    copy = request_upload(workspace, create_snapshot(workspace, actor=ACTOR), target, actor=ACTOR)

    upload(copy)
    copy.repository.refresh_from_db()
    failing_since, failure = copy.repository.failing_since, copy.repository.failure
    (tmp_path / "file").unlink()
    enqueue("snapshots.upload", str(copy.public_id), workspace_id=workspace.pk)
    outcome, _ = upload(copy)
    copy.repository.refresh_from_db()

    assert failing_since is not None
    assert failure != ""
    assert outcome == "succeeded"
    assert (copy.repository.failing_since, copy.repository.failure) == (None, "")
