"""Moving in from the original's bucket: what comes over, and in which order."""

import hashlib
import os
from typing import Any

import pytest
from django.db import DatabaseError, connection

from apps.accounts.models import AuditEvent
from apps.blobs.content import Content
from apps.blobs.objects import read_object
from apps.common.conditions import ANY
from apps.dialects.memory_proxy.bucket import BucketError
from apps.files.actions import put_file
from apps.files.models import ChangeSet
from apps.files.queries import blob_at, head_at
from apps.workspaces.models import Workspace
from tests.conftest import Bucket
from tests.dialects.memory_proxy.moving import move, state_of_hub, texts, versions
from tests.dialects.memory_proxy.original import SEED_PREFIX, Original, md5_of
from tests.factories import ACTOR, make_workspace

NS = "personas/default/memory"


@pytest.fixture
def workspace(db: None) -> Workspace:
    return make_workspace()


@pytest.fixture
def original(s3_server: Bucket) -> Original:
    return Original(s3_server)


@pytest.fixture
def seed(s3_server: Bucket) -> Original:
    return Original(s3_server, prefix=SEED_PREFIX, is_seed=True)


def write_at_hub(workspace: Workspace, path: str, data: bytes) -> None:
    put_file(
        workspace, path, Content.of_bytes(data), condition=ANY, content_type="application/octet-stream", actor=ACTOR
    )


def test_files_of_the_current_layout_come_over_with_their_types(original: Original, workspace: Workspace) -> None:
    original.put(NS, "persona.md", b"who I am", "text/markdown")
    original.put("personas/default/history/s1", "turn.json.gz", b"\x1f\x8b", "application/gzip")
    original.put(NS, "a b/é+%41&c.md", b"odd")
    original.put(NS, "empty", b"", "no media type")

    moved = move(original, workspace)

    assert moved.problems == 0
    assert texts(workspace) == {
        f"{NS}/persona.md": b"who I am",
        "personas/default/history/s1/turn.json.gz": b"\x1f\x8b",
        f"{NS}/a b/é+%41&c.md": b"odd",
        f"{NS}/empty": b"",
    }
    assert blob_at(workspace.pk, f"{NS}/persona.md").content_type == "text/markdown"
    assert blob_at(workspace.pk, f"{NS}/empty").content_type == "application/octet-stream"


def test_files_of_the_seed_layout_come_over(seed: Original, workspace: Workspace) -> None:
    seed.put("", "test.txt", b"Hello, World!")
    seed.put("", "deep/note.md", b"note")

    moved = move(seed, workspace)

    assert moved.told() == {"test.txt": ("imported", ""), "deep/note.md": ("imported", "")}
    assert texts(workspace) == {"test.txt": b"Hello, World!", "deep/note.md": b"note"}
    assert [message.split(" of ")[0] for _, _, message in versions(workspace)] == ["Silica version 0"] * 2


def test_the_sequence_tells_the_old_order(original: Original, workspace: Workspace) -> None:
    for name in ("z", "m", "a"):
        original.put(NS, name, name.encode())

    move(original, workspace)

    assert [path for path, _, _ in versions(workspace)] == [f"{NS}/z", f"{NS}/m", f"{NS}/a"]


def test_each_version_is_a_change_set_that_remembers_the_old_one(original: Original, workspace: Workspace) -> None:
    version = original.put(NS, "f", b"text")
    key = original.key(f"{NS}/f")
    moment = original.bucket.client().head_object(Bucket=original.bucket.name, Key=key)["LastModified"]

    move(original, workspace)

    row = ChangeSet.objects.get(id__gt=workspace.pk << 40)
    assert (row.origin, row.actor, row.put_count) == ("sync", "cli", 1)
    assert row.message == (
        f"Silica version {version} of {moment:%Y-%m-%dT%H:%M:%S}Z, md5 {md5_of(b'text')}, "
        f"s3://{original.bucket.name}/{key}"
    )


def test_a_tombstone_becomes_a_tombstone_with_the_empty_text_before_it(
    original: Original, workspace: Workspace
) -> None:
    original.put(NS, "gone", b"text")
    version = original.delete(NS, "gone")

    moved = move(original, workspace)

    assert moved.told() == {f"{NS}/gone": ("deleted", "")}
    assert texts(workspace) == {f"{NS}/gone": None}
    stand_in, tombstone = versions(workspace)
    assert stand_in == (
        f"{NS}/gone",
        False,
        "Stands for the text of a deleted file, which the old service did not keep.",
    )
    assert tombstone[:2] == (f"{NS}/gone", True)
    assert f"Silica version {version} of " in tombstone[2]


def test_old_versions_of_the_bucket_become_history(original: Original, workspace: Workspace) -> None:
    original.keep_versions()
    numbers = [original.put(NS, "f", text) for text in (b"one", b"two", b"one")]
    numbers += [original.delete(NS, "f"), original.put(NS, "f", b"back")]

    moved = move(original, workspace)

    assert moved.problems == 0
    told = versions(workspace)
    assert [is_deleted for _, is_deleted, _ in told] == [False, False, False, True, False]
    assert [message.split(" of ")[0] for _, _, message in told] == [f"Silica version {number}" for number in numbers]
    assert texts(workspace) == {f"{NS}/f": b"back"}


def test_old_versions_without_numbers_become_history_too(seed: Original, workspace: Workspace) -> None:
    seed.keep_versions()
    for text in (b"one", b"two", b"one"):
        seed.put("", "f", text)

    move(seed, workspace)
    before = state_of_hub(workspace)
    again = move(seed, workspace)

    assert [path for path, _, _ in versions(workspace)] == ["f", "f", "f"]
    assert {row.outcome for row in again.rows} == {"present", "ignored"}
    assert state_of_hub(workspace)[:2] == before[:2]


def test_a_delete_marker_becomes_a_tombstone(original: Original, workspace: Workspace) -> None:
    original.keep_versions()
    original.put(NS, "f", b"text")
    original.remove(f"{NS}/f")

    moved = move(original, workspace)

    assert texts(workspace) == {f"{NS}/f": None}
    assert [is_deleted for _, is_deleted, _ in versions(workspace)] == [False, True]
    assert [(str(row.outcome), row.reason) for row in moved.rows if row.reason != "index"] == [
        ("imported", ""),
        ("deleted", ""),
        ("lost", "no_object"),
    ]


def test_a_delete_marker_of_nothing_is_passed_over(original: Original, workspace: Workspace) -> None:
    original.keep_versions()
    original.store(f"{NS}/foreign", b"?", metadata={})
    original.remove(f"{NS}/foreign")

    moved = move(original, workspace)

    assert moved.told() == {f"{NS}/foreign": ("ignored", "nothing_to_delete")}
    assert [row.outcome for row in moved.rows] == ["damaged", "ignored"]
    assert texts(workspace) == {}


def test_a_large_file_is_streamed_into_storage(original: Original, workspace: Workspace, settings: Any) -> None:
    settings.MEMORYHUB_BLOB_INLINE_MAX = 1024
    data = os.urandom(3 * 1024 * 1024)
    original.put(NS, "big.bin", data)

    move(original, workspace)

    row = head_at(workspace.pk, f"{NS}/big.bin")
    assert row is not None
    assert row.inline is None
    assert row.object_key is not None
    assert b"".join(read_object(row.object_key, 0, len(data))) == data
    assert row.sha256 == hashlib.sha256(data).digest()


def test_only_the_named_namespaces_are_taken(original: Original, workspace: Workspace) -> None:
    original.put("personas/ada/memory", "f", b"ada")
    original.put("personas/ada/history/s1", "f", b"turn")
    original.put("personas/adam/memory", "f", b"adam")

    move(original, workspace, namespaces=["personas/ada", "/personas/ada/memory/"])

    assert texts(workspace) == {"personas/ada/memory/f": b"ada", "personas/ada/history/s1/f": b"turn"}
    assert len(versions(workspace)) == 2


def test_a_folder_named_blob_goes_where_its_client_looks(original: Original, workspace: Workspace) -> None:
    original.put(NS, "f", b"f")
    original.put(f"{NS}/blob/a", "y.md", b"y")

    moved = move(original, workspace)

    assert moved.problems == 0
    assert texts(workspace) == {f"{NS}/f": b"f", f"{NS}/a/blob/y.md": b"y"}


def test_a_dry_run_says_the_same_and_writes_nothing(original: Original, workspace: Workspace) -> None:
    original.put(NS, "f", b"text")
    original.put(NS, "gone", b"text")
    original.delete(NS, "gone")
    original.store(f"{NS}/foreign", b"?", metadata={})
    before = state_of_hub(workspace)

    planned = move(original, workspace, dry_run=True)
    after = state_of_hub(workspace)
    moved = move(original, workspace)

    assert after == before
    assert (
        planned.told()
        == moved.told()
        == {
            f"{NS}/f": ("imported", ""),
            f"{NS}/gone": ("deleted", ""),
            f"{NS}/foreign": ("damaged", "bad_metadata"),
        }
    )
    assert planned.problems == moved.problems == 1


def test_a_deletion_is_never_there_by_half(original: Original, workspace: Workspace) -> None:
    original.put(NS, "gone", b"text")
    original.delete(NS, "gone")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse_tombstones() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.blob_id IS NULL THEN RAISE EXCEPTION 'the disk is gone'; END IF; RETURN NEW; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON files_fileversion FOR EACH ROW EXECUTE FUNCTION refuse_tombstones()"
        )

    with pytest.raises(DatabaseError, match="the disk is gone"):
        move(original, workspace)

    assert texts(workspace) == {}
    assert versions(workspace) == []


def test_a_file_over_the_limit_is_refused_unread(original: Original, workspace: Workspace, settings: Any) -> None:
    settings.MEMORYHUB_MAX_FILE_BYTES = 10
    original.put(NS, "big", b"x" * 11)
    original.put(NS, "fits", b"x" * 10)

    moved = move(original, workspace)

    assert moved.told() == {f"{NS}/big": ("refused", "too_large"), f"{NS}/fits": ("imported", "")}
    assert moved.problems == 1


def test_a_quota_refuses_single_files(original: Original, db: None) -> None:
    workspace = make_workspace(quota_files=1)
    original.put(NS, "first", b"1")
    original.put(NS, "second", b"2")
    original.put(NS, "gone", b"3")
    original.delete(NS, "gone")

    moved = move(original, workspace)

    assert moved.told() == {
        f"{NS}/first": ("imported", ""),
        f"{NS}/second": ("refused", "quota_exceeded"),
        f"{NS}/gone": ("refused", "quota_exceeded"),
    }
    assert texts(workspace) == {f"{NS}/first": b"1"}


def test_portable_names_hold_for_an_import_too(original: Original, db: None) -> None:
    workspace = make_workspace(portable_names=True)
    original.put(NS, "Note.md", b"1")
    original.put(NS, "note.md", b"2")
    original.put(NS, "con", b"3")

    moved = move(original, workspace)

    assert moved.told() == {
        f"{NS}/Note.md": ("imported", ""),
        f"{NS}/note.md": ("refused", "path_collision"),
        f"{NS}/con": ("refused", "bad_path"),
    }


def test_the_audit_trail_has_the_totals(original: Original, workspace: Workspace) -> None:
    original.put(NS, "f", b"text")
    original.store(f"{NS}/foreign", b"?", metadata={})

    move(original, workspace)

    event = AuditEvent.objects.get(action="bucket.imported")
    assert (event.actor, event.workspace_id) == ("cli", workspace.pk)
    assert event.subject == f"s3://{original.bucket.name}/{original.prefix}/"
    assert event.details == {
        "layout": "current",
        "namespaces": [],
        "is_whole": True,
        "objects": {"ignored": 1, "imported": 1, "damaged": 1},
        "imported_bytes": 4,
    }


def test_nothing_below_the_prefix_is_an_error(original: Original, workspace: Workspace) -> None:
    original.put(NS, "f", b"text")
    before = state_of_hub(workspace)

    with pytest.raises(BucketError, match=r"There is nothing in the bucket .* below 2025-10-31/personas/nobody/\."):
        move(original, workspace, namespaces=["nobody"])

    assert state_of_hub(workspace) == before
