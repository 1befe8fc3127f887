from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings as hub
from django.core.management import call_command
from django.test import override_settings

from apps.jobs.models import Tick
from apps.operations import checks, probes
from apps.workspaces.models import Workspace
from tests.conftest import Bucket
from tests.factories import make_workspace
from tests.operations.stores import bucket_storage
from tests.services import free_port


def ids(messages: list[object]) -> list[str]:
    return [message.id for message in messages]  # type: ignore[attr-defined]


def test_a_hub_with_its_own_keys_has_nothing_to_say_about_them() -> None:
    assert ids(checks.check_keys(None) + checks.check_example_keys(None)) == []


def test_missing_keys_are_errors() -> None:
    with override_settings(MEMORYHUB_TOKEN_KEY="", MEMORYHUB_SECRETS_KEY=""):
        assert ids(checks.check_keys(None)) == ["memoryhub.E001", "memoryhub.E001"]


def test_a_key_from_an_example_is_an_error() -> None:
    with override_settings(MEMORYHUB_TOKEN_KEY=f"k1:{'ab' * 32}"):
        assert ids(checks.check_example_keys(None)) == ["memoryhub.E002"]


@pytest.mark.parametrize(
    ("https", "hosts", "proxies", "found"),
    [
        (False, ("*",), (), ["memoryhub.W001", "memoryhub.W002"]),
        (True, ("hub.example",), (), ["memoryhub.W003"]),
        (True, ("hub.example",), ("10.0.0.0/8",), []),
    ],
)
def test_an_open_network_wants_https_and_names(
    https: bool, hosts: tuple[str, ...], proxies: tuple[str, ...], found: list[str]
) -> None:
    with override_settings(MEMORYHUB_HTTPS_REQUIRED=https, MEMORYHUB_ALLOWED_HOSTS=hosts, TRUSTED_PROXIES=proxies):
        assert ids(checks.check_addresses(None)) == found


def test_a_storage_that_takes_no_write_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    options = {"location": str(tmp_path / "file" / "below")}
    closed = {"BACKEND": "apps.blobs.local.LocalBlobStorage", "OPTIONS": options}

    assert ids(checks.check_storage(None)) == []
    probes.storage.forget()
    with override_settings(STORAGES={**hub.STORAGES, "blobs": closed}):
        assert ids(checks.check_storage(None)) == ["memoryhub.E003"]


NAMING_WORKSPACES: list[tuple[str, dict[str, object]]] = [
    ("API_KEY_WORKSPACE", {"API_KEY": "a-static-token-of-it", "API_KEY_WORKSPACE": "team"}),
    ("CLOUD_SYNC_WORKSPACE", {"CLOUD_SYNC_ENABLED": True, "CLOUD_SYNC_WORKSPACE": "team"}),
    (
        "AGMEM_COORDINATOR_WORKSPACE",
        {"AGMEM_COORDINATOR_PORT": 8001, "AGMEM_COORDINATOR_WORKSPACE": "team"},
    ),
    ("ROOT_DIALECT", {"ROOT_DIALECT": "memory-proxy:team"}),
    ("DIALECT_HOSTS", {"DIALECT_HOSTS": ("a.example=memory-proxy:team", "b.example=memory-proxy:team")}),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("setting", "values"), NAMING_WORKSPACES)
def test_a_setting_that_names_a_workspace_wants_it(setting: str, values: dict[str, object]) -> None:
    with override_settings(**values):
        absent = checks.check_workspaces(None, ["default"])
        workspace = make_workspace("team")
        present = checks.check_workspaces(None, ["default"])
        Workspace.objects.filter(pk=workspace.pk).update(archived_at=datetime.now(UTC))
        archived = checks.check_workspaces(None, ["default"])

    assert ids(absent) == ids(archived) == ["memoryhub.W004"]
    assert absent[0].msg == (
        f"{setting} names the workspace team, which does not exist: it opens nothing until "
        "`memoryhub workspace create team` makes it."
    )
    assert present == []


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"CLOUD_SYNC_ENABLED": True}, ["memoryhub.W006"]),
        ({"CLOUD_SYNC_ENABLED": True, "CLOUD_SYNC_BUCKET": "copies"}, []),
        ({"CLOUD_SYNC_BUCKET": "copies", "CLOUD_SYNC_ACCESS_KEY": "key"}, ["memoryhub.W007"]),
        ({"CLOUD_SYNC_SECRET_KEY": "secret"}, ["memoryhub.W007"]),
        ({"CLOUD_SYNC_ACCESS_KEY": "key", "CLOUD_SYNC_SECRET_KEY": "secret"}, []),
    ],
)
def test_copies_that_are_asked_for_and_not_made_are_a_warning(values: dict[str, object], found: list[str]) -> None:
    with override_settings(**values):
        warnings = checks.check_cloud_sync(None)

    assert ids(warnings) == found


@pytest.mark.django_db
def test_a_workspace_that_no_setting_leads_to_is_not_missed() -> None:
    with override_settings(API_KEY="", API_KEY_WORKSPACE="team"):
        assert checks.check_workspaces(None, ["default"]) == []
    with override_settings(API_KEY="a-static-token-of-it", API_KEY_WORKSPACE="team"):
        assert checks.check_workspaces(None) == []


@pytest.mark.django_db
def test_a_scheduler_that_was_never_seen_or_not_of_late_is_a_warning() -> None:
    never = checks.check_beat(None, ["default"])
    tick = Tick.objects.create(at=datetime.now(UTC) - timedelta(minutes=5))
    late = checks.check_beat(None, ["default"])
    tick.at = datetime.now(UTC)
    tick.save(update_fields=["at"])

    assert ids(never) == ["memoryhub.W005"]
    assert never[0].msg == "The scheduler was never seen alive."
    assert late[0].msg == "The scheduler was last seen alive 300 s ago."
    assert checks.check_beat(None, ["default"]) == []
    assert checks.check_beat(None) == []


@pytest.mark.django_db
def test_the_beat_is_asked_for_by_check_deploy_with_a_database() -> None:
    said = StringIO()

    call_command("check", "--deploy", "--database", "default", stderr=said)

    assert "memoryhub.W005" in said.getvalue()


def test_what_a_bucket_does_with_conditional_writes_is_told(s3_server: Bucket) -> None:
    here = {"S3_BUCKET": s3_server.name, "S3_ENDPOINT_URL": s3_server.endpoint_url}

    with override_settings(STORAGES=bucket_storage(here), S3_BUCKET=s3_server.name):
        told = checks.check_conditional_writes(None)

    assert ids(told) == ["memoryhub.I001"]
    assert told[0].msg == "The bucket refuses conditional writes."
    assert s3_server.keys() == []


def test_of_a_bucket_that_is_away_nothing_is_told_about_conditional_writes() -> None:
    away = {"S3_BUCKET": "b", "S3_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}

    with override_settings(STORAGES=bucket_storage(away), S3_BUCKET="b"):
        assert checks.check_conditional_writes(None) == []
    probes.storage_writing.forget()
    assert checks.check_conditional_writes(None) == []
