"""Moving backups of the original in: the states that they make, and what is not taken."""

from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import AuditEvent
from apps.dialects.cloud_sync.importing import Import
from apps.dialects.cloud_sync.outcomes import Outcome, Row
from apps.dialects.cloud_sync.places import SourceError, opened
from apps.files.as_of import files_as_of
from apps.files.queries import head_at, history, position
from apps.snapshots.actions import create_snapshot, delete_snapshot
from apps.snapshots.models import Snapshot, SnapshotKind
from apps.snapshots.queries import latest_snapshot
from apps.workspaces.actions import update_workspace_settings
from tests.conftest import Bucket
from tests.dialects.cloud_sync.original import Original
from tests.dialects.cloud_sync.service import PREFIX, Service
from tests.factories import ACTOR
from tests.fakes.faulty_proxy import Fault, FaultyProxy

pytestmark = pytest.mark.django_db


@pytest.fixture
def original(tmp_path: Path) -> Original:
    return Original(tmp_path / "backups")


def move(service: Service, source: Path | str, *, folder: str = "memories/", dry_run: bool = False) -> list[Row]:
    rows: list[Row] = []
    place = opened(str(source), endpoint_url=None, region=None)
    Import(service.workspace, place, folder, dry_run=dry_run, tell=rows.append).run()
    return rows


def told(rows: list[Row]) -> dict[str, tuple[str, str]]:
    return {row.key: (str(row.outcome), row.reason) for row in rows}


def text_of(service: Service, path: str) -> str:
    row = head_at(service.workspace.pk, path)
    assert row is not None and not row.is_deleted and row.inline is not None
    return bytes(row.inline).decode().partition("\n---\n\n")[2]


def paths_in(snapshot: Snapshot) -> list[str]:
    return [row.path for row in files_as_of(snapshot.workspace_id, snapshot.sequence)]


def three_backups(original: Original) -> list[str]:
    tea, cup = original.add("Ada prefers tea.", "people/ada"), original.add("A blue cup.", "things")
    first = original.backup("pre_delete")
    original.change(tea, "Ada prefers coffee.")
    original.delete(cup)
    original.add("Beans in spring.", "plans")
    second = original.backup("manual")
    return [first, second, original.backup("scheduled")]


def test_each_backup_is_a_state_and_a_snapshot_in_the_order_of_time(service: Service, original: Original) -> None:
    names = three_backups(original)

    rows = move(service, original.directory)

    assert [(row.key, row.outcome, row.memories) for row in rows] == [
        (names[0], Outcome.IMPORTED, 2),
        (names[1], Outcome.IMPORTED, 2),
        (names[2], Outcome.IMPORTED, 2),
    ]
    assert sorted(service.files()) == ["memories/config.json", "memories/people/ada/0.md", "memories/plans/2.md"]
    assert text_of(service, "memories/people/ada/0.md") == "Ada prefers coffee.\n"
    snapshots = list(Snapshot.objects.order_by("id"))
    assert [(snapshot.name, snapshot.kind) for snapshot in snapshots] == [
        (names[0], SnapshotKind.MANUAL),
        (names[1], SnapshotKind.MANUAL),
        (names[2], SnapshotKind.SCHEDULED),
    ]
    assert paths_in(snapshots[0]) == ["memories/config.json", "memories/people/ada/0.md", "memories/things/1.md"]
    assert {snapshot.tags[0] for snapshot in snapshots} == {"memories"}
    assert len(history(service.workspace.pk, "memories/people/ada/0.md", before=None, limit=9)) == 2


def test_a_restore_by_the_dialect_brings_an_imported_backup_back(service: Service, original: Original) -> None:
    first, *_ = three_backups(original)
    move(service, original.directory)

    answer = service.post("/restore", body={"backup_name": first})

    assert (answer.status_code, answer.json()["total_memories"]) == (200, 3)
    assert text_of(service, "memories/people/ada/0.md") == "Ada prefers tea.\n"
    assert text_of(service, "memories/things/1.md") == "A blue cup.\n"


def test_a_second_run_brings_nothing_and_a_later_backup_alone(service: Service, original: Original) -> None:
    names = three_backups(original)
    move(service, original.directory)
    before = position(service.workspace.pk), Snapshot.objects.count()

    again = move(service, original.directory)
    assert told(again) == dict.fromkeys(names, ("present", ""))
    assert (position(service.workspace.pk), Snapshot.objects.count()) == before

    original.add("Something new.")
    later = original.backup()
    assert told(move(service, original.directory)) == dict.fromkeys(names, ("present", "")) | {later: ("imported", "")}
    assert text_of(service, "memories/notes/3.md") == "Something new.\n"
    assert [snapshot.kind for snapshot in Snapshot.objects.order_by("id")][3:] == [SnapshotKind.MANUAL]


def test_what_is_in_the_workspace_stays_and_is_named_before(service: Service, original: Original) -> None:
    service.write("mine.md", "mine")
    three_backups(original)

    move(service, original.directory)

    before, *imported = Snapshot.objects.order_by("id")
    assert (before.kind, paths_in(before)) == (SnapshotKind.PRE_IMPORT, ["mine.md"])
    assert all("mine.md" in paths_in(snapshot) for snapshot in imported)
    assert "mine.md" in service.files()


def test_a_dry_run_says_the_same_and_writes_nothing(service: Service, original: Original) -> None:
    service.write("mine.md", "mine")
    names = three_backups(original)
    original.write("manual_20260101_000000", None, b"{}")
    now = position(service.workspace.pk)

    planned = move(service, original.directory, dry_run=True)

    assert told(planned) == dict.fromkeys(names, ("imported", "")) | {
        "manual_20260101_000000": ("damaged", "incomplete")
    }
    assert position(service.workspace.pk) == now
    assert not Snapshot.objects.exists()
    assert not AuditEvent.objects.filter(action="backups.imported").exists()


DAMAGED: list[tuple[bytes | None, str]] = [
    (None, "incomplete"),
    (b"", "bad_json"),
    (b"[{]", "bad_json"),
    (b"\xff\xfe", "bad_json"),
    (b"[" * 100_000, "bad_json"),
    (b"{}", "bad_memory"),
    (b'[{"id": 1}]', "bad_memory"),
    (b'[{"id": 1, "text": NaN}]', "bad_json"),
]


@pytest.mark.parametrize(("metadata", "reason"), DAMAGED)
def test_a_damaged_backup_is_told_and_passed_by(
    service: Service, original: Original, metadata: bytes | None, reason: str
) -> None:
    original.write("manual_20260214_123000", metadata, b"{}")
    names = three_backups(original)

    rows = move(service, original.directory)

    assert told(rows)["manual_20260214_123000"] == ("damaged", reason)
    assert [row.key for row in rows if row.outcome is Outcome.IMPORTED] == names


def test_folders_that_are_none_are_passed_by(service: Service, original: Original) -> None:
    [name] = [original.backup()]
    (original.directory / "photos").mkdir()
    (original.directory / "photos/cat.jpg").write_bytes(b"cat")
    original.write("by-hand", b"[]")

    assert told(move(service, original.directory)) == {
        name: ("imported", ""),
        "photos": ("ignored", "no_backup"),
        "by-hand": ("refused", "no_time"),
    }


def test_history_is_not_rewritten(service: Service, original: Original) -> None:
    names = three_backups(original)
    move(service, original.directory)
    original.write("manual_20250101_000000", b"[]")
    original.write(names[1], b"[]")

    rows = told(move(service, original.directory))

    assert rows["manual_20250101_000000"] == ("refused", "newer_is_here")
    assert rows[names[1]] == ("refused", "changed")
    assert rows[names[0]] == rows[names[2]] == ("present", "")


def test_what_was_written_at_the_hub_is_not_overwritten(service: Service, original: Original) -> None:
    names = three_backups(original)
    move(service, original.directory)
    service.write("memories/people/ada/0.md", "edited at the hub")
    original.add("Something new.")
    later = original.backup()
    now = service.files()

    assert told(move(service, original.directory))[later] == ("changed_at_hub", "changed_at_hub")
    assert service.files() == now

    # Brought back to the last import, it goes on.
    service.post("/restore", body={"backup_name": names[-1]})
    assert told(move(service, original.directory))[later] == ("imported", "")


def test_a_folder_that_holds_files_takes_no_import_and_another_does(service: Service, original: Original) -> None:
    service.write("memories/mine.md", "mine")
    name = original.backup()

    assert told(move(service, original.directory)) == {name: ("changed_at_hub", "changed_at_hub")}
    assert told(move(service, original.directory, folder="old/memories/")) == {name: ("imported", "")}
    assert sorted(service.files()) == ["memories/mine.md", "old/memories/config.json"]


def test_names_that_are_taken_and_names_that_the_hub_has_not_are_refused(service: Service, original: Original) -> None:
    taken = original.backup()
    create_snapshot(service.workspace, name=taken, actor=ACTOR)
    original.write("_x_20260101_000000", b"[]")

    assert told(move(service, original.directory)) == {
        taken: ("refused", "name_taken"),
        "_x_20260101_000000": ("refused", "bad_name"),
    }
    assert service.files() == {}


def test_a_snapshot_of_somebody_elses_making_does_not_pass_for_an_import(service: Service, original: Original) -> None:
    name = original.backup()
    move(service, original.directory)
    imported = Snapshot.objects.get()
    delete_snapshot(service.workspace, imported, actor=ACTOR)
    create_snapshot(service.workspace, name=name, message=imported.message, tags=imported.tags, actor=ACTOR)

    assert told(move(service, original.directory)) == {name: ("refused", "name_taken")}


def test_safety_backups_of_the_original_are_never_the_latest(service: Service, original: Original) -> None:
    original.add("one")
    manual = original.backup()
    original.change(0, "two")
    original.backup("pre_restore")

    move(service, original.directory)

    kinds = dict(Snapshot.objects.values_list("name", "kind"))
    assert sorted(kinds.values()) == [SnapshotKind.MANUAL, SnapshotKind.SAFETY]
    newest = latest_snapshot(service.workspace.pk)
    assert newest is not None and newest.name == manual


def test_a_quota_refuses_a_backup_whole(service: Service, original: Original) -> None:
    for number in range(5):
        original.add(f"memory {number}")
    name = original.backup()
    update_workspace_settings(service.workspace, {"quota_files": 3}, actor=ACTOR)

    assert told(move(service, original.directory)) == {name: ("refused", "quota_exceeded")}
    assert service.files() == {}
    assert not Snapshot.objects.exists()


def test_long_memories_are_kept_whole(service: Service, original: Original) -> None:
    original.add("x" * 300_000)
    original.backup()

    move(service, original.directory)

    row = head_at(service.workspace.pk, "memories/notes/0.md")
    assert row is not None and row.size_bytes > 300_000


def test_a_run_leaves_a_line_in_the_audit_trail(service: Service, original: Original) -> None:
    three_backups(original)
    move(service, original.directory)

    event = AuditEvent.objects.get(action="backups.imported")
    assert event.details == {"is_whole": True, "backups": {"imported": 3}}
    assert event.workspace_id == service.workspace.pk


# --- A bucket


def test_a_bucket_is_read_like_a_folder_and_a_hubs_own_copies_are_left_alone(
    cloud: Service, original: Original, s3_server: Bucket
) -> None:
    """The old service and the hub may share bucket and prefix: nobody has to change a setting."""
    cloud.write("mine.md", "mine")
    copy = cloud.uploaded()
    names = three_backups(original)
    original.upload(s3_server)
    before = s3_server.keys()

    rows = told(move(cloud, f"s3://{s3_server.name}/{PREFIX}/"))

    assert rows == dict.fromkeys(names, ("imported", "")) | {copy.name: ("ignored", "hub_copy")}
    assert cloud.get("/sync/snapshots").json()["count"] == 1
    assert s3_server.keys() == before


def test_a_source_that_goes_away_ends_the_run_with_a_sentence(
    cloud: Service, original: Original, s3_server: Bucket, settings: Any
) -> None:
    for _ in range(6):
        original.backup()
    original.upload(s3_server)
    with FaultyProxy(s3_server.endpoint_url) as proxy:
        settings.CLOUD_SYNC_ENDPOINT = proxy.url
        settings.MEMORYHUB_STORAGE_TIMEOUT_S = 1.0
        with proxy.failing(Fault.STATUS_503, "HEAD"), pytest.raises(SourceError, match=r"\.$"):
            move(cloud, f"s3://{s3_server.name}/{PREFIX}")

    assert cloud.files() == {}


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("/no/such/directory", "/no/such/directory is no directory, and no s3://bucket/prefix."),
        ("gs://bucket/prefix", "gs://bucket/prefix is no s3://bucket/prefix."),
        ("s3:///prefix", "s3:///prefix is no s3://bucket/prefix."),
        ("s3://bucket/a//b", "A prefix has parts joined by /, none of them empty, . or .."),
    ],
)
def test_what_is_no_source_is_a_sentence(source: str, sentence: str) -> None:
    with pytest.raises(SourceError) as refusal:
        opened(source, endpoint_url=None, region=None)

    assert str(refusal.value) == sentence


def test_an_empty_source_is_a_sentence(service: Service, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no folders"):
        move(service, tmp_path)
