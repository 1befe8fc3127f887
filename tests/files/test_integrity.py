"""fsck finds each kind of damage, and nothing where there is none."""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.db import connection
from django.utils import timezone

from apps.blobs.models import Blob
from apps.files.integrity import Report, check
from apps.files.models import SEQUENCE_BITS
from apps.jobs.actions import enqueue
from apps.jobs.models import Job
from apps.workspaces.actions import archive_workspace
from tests.factories import ACTOR, make_workspace
from tests.files.client import Api

LARGE = b"x" * 100_000


@pytest.fixture
def filled(api: Api) -> Api:
    """`a` at version 2, `big` (an object) at 3, `gone` deleted at 5."""
    api.put("a", b"one")
    api.put("a", b"three", If_Match='"1"')
    api.put("big", LARGE)
    api.put("gone", b"x")
    api.delete("gone")
    return api


def execute(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def number(api: Api, sequence: int) -> int:
    return api.workspace.pk << SEQUENCE_BITS | sequence


def found(*, read_data: bool = False) -> dict[str, list[str]]:
    """What each check found, sorted: checks find in the order of a scan."""
    report = check(read_data=read_data)
    answer: dict[str, list[str]] = {}
    for finding in report.damage:
        answer.setdefault(finding.check, []).append(finding.what)
    assert report.exit_code == (1 if answer else 0)
    assert report.damage_count == len(report.damage)
    return {name: sorted(what) for name, what in answer.items()}


def object_file() -> Path:
    return Path(storages["blobs"].path(Blob.objects.get(object_key__isnull=False).object_key))


def test_a_sound_hub_is_clean(filled: Api) -> None:
    archive_workspace(make_workspace(), actor=ACTOR)

    report = check(read_data=True)

    assert (report.exit_code, report.damage, report.could_not_check) == (0, [], [])
    assert (report.blobs, report.bytes_read) == (4, 3 + 5 + 1 + len(LARGE))
    assert report.as_json()["exit_code"] == 0


def test_a_head_that_is_not_the_newest_version_is_found(filled: Api) -> None:
    execute("UPDATE files_file SET head = %s WHERE path = 'a'", number(filled, 1))

    assert found() == {"head_is_newest_version": ["a"]}


def test_a_head_with_the_bytes_of_another_version_is_found(filled: Api) -> None:
    execute(
        "UPDATE files_file SET blob_id = (SELECT blob_id FROM files_fileversion WHERE id = %s) WHERE path = 'a'",
        number(filled, 1),
    )

    assert found() == {"head_is_newest_version": ["a"], "head_describes_its_blob": ["a"]}


def test_a_file_without_any_version_is_found(filled: Api) -> None:
    execute("DELETE FROM files_fileversion WHERE file_id = (SELECT id FROM files_file WHERE path = 'gone')")

    assert found() == {"head_is_newest_version": ["gone"]}


@pytest.mark.parametrize("change", ["sha256 = '\\x00'", "md5 = '\\x00'"])
def test_a_head_with_a_wrong_digest_is_found(filled: Api, change: str) -> None:
    execute(f"UPDATE files_file SET {change} WHERE path = 'a'")

    assert found() == {"head_describes_its_blob": ["a"]}


def test_a_head_with_a_wrong_size_is_found(filled: Api) -> None:
    execute("UPDATE files_file SET size_bytes = 6 WHERE path = 'a'")

    assert found() == {"head_describes_its_blob": ["a"], "live_counters_agree": ["2"]}


def test_a_version_with_a_wrong_size_is_found(filled: Api) -> None:
    execute("UPDATE files_fileversion SET size_bytes = 4 WHERE id = %s", number(filled, 1))

    assert found() == {"version_describes_its_blob": ["1"]}


def test_a_version_with_another_workspaces_bytes_is_found(filled: Api) -> None:
    other = make_workspace()
    execute("UPDATE blobs_blob SET workspace_id = %s WHERE size_bytes = 3", other.pk)

    assert found() == {"version_describes_its_blob": ["1"], "stored_counter_agrees": ["0", "100009"]}


def test_a_version_numbered_in_another_workspace_is_found(filled: Api) -> None:
    other = make_workspace()
    execute("UPDATE files_fileversion SET id = %s WHERE id = %s", other.pk << SEQUENCE_BITS | 1, number(filled, 1))

    assert found()["version_belongs_to_its_workspace"] == ["1"]


def test_a_version_without_a_change_set_is_found(filled: Api) -> None:
    execute("DELETE FROM files_changeset WHERE id = %s", number(filled, 3))

    assert found() == {"version_has_a_change_set": ["3"]}


def test_overlapping_change_sets_are_found(filled: Api) -> None:
    execute("UPDATE files_changeset SET last = %s, put_count = 2 WHERE id = %s", number(filled, 3), number(filled, 2))

    assert found() == {"change_sets_do_not_overlap": ["3"]}


def test_a_change_set_that_counts_wrong_is_found(filled: Api) -> None:
    execute("UPDATE files_changeset SET put_count = 2 WHERE id = %s", number(filled, 1))

    assert found() == {"change_set_counts_agree": ["1"]}


def test_a_sequence_that_fell_back_is_found(filled: Api) -> None:
    execute("UPDATE workspaces_workspacecounter SET last_sequence = 4 WHERE workspace_id = %s", filled.workspace.pk)

    assert found() == {"sequence_is_ahead_of_all_versions": ["4"]}


@pytest.mark.parametrize("column", ["live_files", "live_bytes", "stored_bytes"])
def test_a_sum_that_is_wrong_is_found(filled: Api, column: str) -> None:
    execute(
        f"UPDATE workspaces_workspacecounter SET {column} = {column} + 1 WHERE workspace_id = %s", filled.workspace.pk
    )

    assert set(found()) == {"stored_counter_agrees" if column == "stored_bytes" else "live_counters_agree"}


def test_rows_without_their_workspace_are_found(filled: Api) -> None:
    execute("DELETE FROM workspaces_workspacecounter WHERE workspace_id = %s", filled.workspace.pk)

    assert found() == {"rows_have_their_workspace": ["blobs", "counter", "files"]}


def test_an_object_that_is_needed_and_marked_for_deletion_is_found(filled: Api) -> None:
    key = Blob.objects.get(object_key__isnull=False).object_key
    execute("INSERT INTO blobs_objectintent (object_key, created_at) VALUES (%s, now())", key)

    assert found() == {"objects_are_not_about_to_be_deleted": [key]}


def test_a_job_that_nobody_works_on_is_found(filled: Api) -> None:
    job = enqueue("files.collect", "1")
    Job.objects.filter(pk=job.pk).update(
        state="running", lease_until=timezone.now() - timedelta(hours=2), started_at=timezone.now()
    )

    assert found() == {"jobs_are_not_stuck": ["files.collect"]}


@pytest.mark.parametrize(
    ("left", "without_reading"),
    [(None, True), (b"", True), (LARGE[:-1], True), (LARGE + b"x", True), (LARGE[:-1] + b"y", False)],
)
def test_a_damaged_object_is_found(filled: Api, left: bytes | None, without_reading: bool) -> None:
    path = object_file()
    if left is None:
        path.unlink()
    else:
        path.write_bytes(left)
    damage = {"blob_has_its_bytes": [hashlib.sha256(LARGE).hexdigest()]}

    assert found() == (damage if without_reading else {})
    assert found(read_data=True) == damage


@pytest.mark.parametrize("data", [b"", b"thre", b"thref", b"three\x00"])
def test_damaged_bytes_in_a_row_are_found(filled: Api, data: bytes) -> None:
    execute("UPDATE blobs_blob SET inline = %s WHERE size_bytes = 5", data)

    assert set(found()) == {"blob_has_its_bytes"}


def test_a_storage_that_is_away_is_no_damage(filled: Api, settings: Any) -> None:
    options = settings.STORAGES["blobs"]["OPTIONS"] | {"location": "/dev/null/nowhere"}
    settings.STORAGES = settings.STORAGES | {"blobs": settings.STORAGES["blobs"] | {"OPTIONS": options}}

    report = check(read_data=True)

    assert (report.exit_code, report.damage, len(report.could_not_check)) == (2, [], 1)


def test_damage_counts_more_than_what_could_not_be_checked() -> None:
    report = Report(could_not_check=["away"], damage_count=1)

    assert report.exit_code == 1


def test_only_the_first_hundred_findings_are_told(api: Api) -> None:
    api.put_many(*(({"path": f"{n}", "if_version": 0}, b"x") for n in range(150)))
    execute("UPDATE files_file SET sha256 = '\\x00'")

    report = check(read_data=False)

    assert (report.damage_count, len(report.damage)) == (150, 100)


def test_damage_names_its_workspace_and_some_of_its_paths(api: Api) -> None:
    for number in range(4):
        api.put(f"{number}.bin", b"x" * 100_000)
    object_file().unlink()

    (finding,) = check(read_data=False).damage

    assert finding.workspace == api.workspace.slug
    assert finding.detail == ("The stored object is gone. 3.bin at version 4, 2.bin at version 3, 1.bin at version 2")
