"""Targets: what they can be told, and what becomes of their credentials."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from apps.common.errors import Invalid
from apps.files.models import Hold
from apps.jobs.actions import cancel
from apps.jobs.models import Job
from apps.snapshots.errors import TargetInUse
from apps.snapshots.format.errors import CopyKeyMissing
from apps.snapshots.models import RemoteTarget
from apps.snapshots.places.errors import TargetDenied
from apps.snapshots.policies import set_policy
from apps.snapshots.targets import (
    change_target,
    place_of,
    remove_target,
    repository_for,
    settings_target,
    writing_seal,
)
from apps.workspaces.models import Workspace
from tests.conftest import Bucket
from tests.factories import ACTOR, make_workspace
from tests.files.client import nothing_changes
from tests.snapshots.work import MASTER_KEY, asked, bucket_target, directory_target, fill

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("option", "value"), [("addressing_style", "sideways"), ("checksum_mode", "never"), ("colour", "blue")]
)
def test_a_change_that_no_bucket_can_have_is_refused(s3_server: Bucket, option: str, value: str) -> None:
    target = bucket_target(s3_server)

    with nothing_changes(), pytest.raises(Invalid):
        change_target(target, options=target.options | {option: value}, actor=ACTOR)


def test_credentials_that_no_key_opens_are_told(s3_server: Bucket, settings: Any) -> None:
    target = bucket_target(s3_server)
    settings.MEMORYHUB_SECRETS_KEY = Fernet.generate_key().decode()

    with pytest.raises(TargetDenied, match="put back the key it was stored with, or enter the secret again"):
        place_of(RemoteTarget.objects.get(pk=target.pk))


def test_credentials_that_no_key_opens_can_be_entered_again(s3_server: Bucket, settings: Any) -> None:
    target = bucket_target(s3_server)
    settings.MEMORYHUB_SECRETS_KEY = Fernet.generate_key().decode()
    keys = {"access_key": s3_server.access_key, "secret_key": s3_server.secret_key}

    change_target(target, options=target.options, secrets=keys, actor=ACTOR)

    place_of(target).put("probe", b"it lets us in")
    assert place_of(target).stat("probe") is not None


@pytest.fixture
def environment(settings: Any) -> Workspace:
    """CLOUD_SYNC_* about a workspace."""
    workspace = make_workspace()
    settings.CLOUD_SYNC_ENABLED, settings.CLOUD_SYNC_BUCKET = True, "memories"
    settings.CLOUD_SYNC_WORKSPACE = workspace.slug
    return workspace


def test_a_lost_key_stops_the_uploads_and_sends_nothing_in_clear(environment: Workspace, settings: Any) -> None:
    settings.MEMORYHUB_SNAPSHOT_KEY = MASTER_KEY
    before = settings_target()
    settings.MEMORYHUB_SNAPSHOT_KEY = ""

    after = settings_target()

    assert before is not None
    assert after is not None
    assert (before.target.is_encrypted, after.target.is_encrypted) == (True, True)
    with pytest.raises(CopyKeyMissing):
        writing_seal(repository_for(environment, after.target), place_of(after.target))


def test_another_bucket_is_encrypted_only_with_a_key(environment: Workspace, settings: Any) -> None:
    settings.MEMORYHUB_SNAPSHOT_KEY = MASTER_KEY
    settings_target()
    settings.MEMORYHUB_SNAPSHOT_KEY, settings.CLOUD_SYNC_BUCKET = "", "another"

    wanted = settings_target()

    assert wanted is not None
    assert (wanted.target.is_encrypted, wanted.target.options["bucket"]) == (False, "another")


@pytest.mark.parametrize("name", ["after_changes", "quiet_s", "longest_s", "restore_when_empty", "target"])
def test_what_the_environment_says_of_a_policy_nobody_else_changes(environment: Workspace, name: str) -> None:
    settings_target()
    value = {"after_changes": False, "restore_when_empty": False, "target": ""}.get(name, 300)

    with nothing_changes(), pytest.raises(Invalid) as refused:
        set_policy(environment, {name: value, "verify_every_days": 3}, actor=ACTOR)

    assert set_policy(environment, {"verify_every_days": 3}, actor=ACTOR).verify_every_days == 3
    assert [error["field"] for error in refused.value.fields["errors"]] == [name]


def test_a_target_that_is_forgotten_holds_no_history(tmp_path: Path) -> None:
    target, workspace = directory_target(tmp_path / "shelf"), make_workspace()
    fill(workspace, {"a.md": b"one"})
    asked(workspace, target)

    with pytest.raises(TargetInUse):
        remove_target(target, actor=ACTOR)
    cancel(Job.objects.get(kind="snapshots.upload"))
    remove_target(target, actor=ACTOR)

    assert not Hold.objects.filter(holder__startswith="copy:").exists()
    assert not RemoteTarget.objects.exists()


@pytest.mark.parametrize(
    ("kind", "options", "name"),
    [
        ("sftp", {"host": "one.example.org", "root_path": "/srv"}, "root_path"),
        ("gcs", {"bucket_name": "one"}, "bucket_name"),
    ],
)
def test_another_place_is_another_target_for_every_kind(kind: str, options: dict[str, str], name: str) -> None:
    target = RemoteTarget.objects.create(name="offsite", kind=kind, options=options)

    with pytest.raises(Invalid, match="add another target"):
        change_target(target, options=options | {name: "other"}, actor=ACTOR)


def test_the_environment_says_how_its_bucket_encrypts(environment: Workspace, settings: Any) -> None:
    settings.CLOUD_SYNC_SERVER_SIDE_ENCRYPTION, settings.CLOUD_SYNC_SSE_KMS_KEY_ID = "aws:kms", "alias/memories"

    wanted = settings_target()

    assert wanted is not None
    options = wanted.target.options
    assert (options["server_side_encryption"], options["sse_kms_key_id"]) == ("aws:kms", "alias/memories")
