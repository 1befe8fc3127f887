"""Imports into a workspace that has something already: an earlier import, and what people wrote at the hub."""

import time

import pytest

from apps.blobs.content import Content
from apps.common.conditions import ANY
from apps.dialects.memory_proxy.outcomes import Row
from apps.files.actions import delete_file, put_file
from apps.workspaces.models import Workspace
from tests.conftest import Bucket
from tests.dialects.memory_proxy.moving import move, state_of_hub, texts, versions
from tests.dialects.memory_proxy.original import Original, md5_of
from tests.factories import ACTOR, make_workspace

NS = "personas/default/memory"


@pytest.fixture
def workspace(db: None) -> Workspace:
    return make_workspace()


@pytest.fixture
def original(s3_server: Bucket) -> Original:
    return Original(s3_server)


def write_at_hub(workspace: Workspace, path: str, data: bytes) -> None:
    put_file(
        workspace, path, Content.of_bytes(data), condition=ANY, content_type="application/octet-stream", actor=ACTOR
    )


def test_a_second_run_doubles_nothing(original: Original, workspace: Workspace) -> None:
    original.put(NS, "f", b"text")
    original.put(NS, "empty", b"")
    original.put(NS, "gone", b"text")
    original.delete(NS, "gone")
    move(original, workspace)
    before = state_of_hub(workspace)

    again = move(original, workspace)

    assert {outcome for outcome, _ in again.told().values()} == {"present"}
    assert again.problems == 0
    assert state_of_hub(workspace)[:2] == before[:2]


def test_a_second_run_takes_what_the_old_service_wrote_meanwhile(original: Original, workspace: Workspace) -> None:
    for name in ("same", "changed", "deleted"):
        original.put(NS, name, b"text")
    move(original, workspace)
    original.put(NS, "changed", b"other text")
    original.delete(NS, "deleted")
    original.put(NS, "new", b"new")

    again = move(original, workspace)

    assert again.told() == {
        f"{NS}/same": ("present", ""),
        f"{NS}/changed": ("imported", ""),
        f"{NS}/deleted": ("deleted", ""),
        f"{NS}/new": ("imported", ""),
    }
    expected = {"same": b"text", "changed": b"other text", "deleted": None, "new": b"new"}
    assert texts(workspace) == {f"{NS}/{name}": text for name, text in expected.items()}


def test_equal_bytes_of_a_new_old_version_are_a_new_version(original: Original, workspace: Workspace) -> None:
    original.put(NS, "f", b"text")
    move(original, workspace)
    time.sleep(1.1)  # The bucket tells whole seconds.
    version = original.put(NS, "f", b"text")

    again = move(original, workspace)

    assert again.told() == {f"{NS}/f": ("imported", "")}
    assert [path for path, _, _ in versions(workspace)] == [f"{NS}/f", f"{NS}/f"]
    assert versions(workspace)[1][2].startswith(f"Silica version {version} of ")


def test_what_was_written_at_the_hub_stays_and_is_told(original: Original, workspace: Workspace) -> None:
    for name in ("hub-only", "both", "deleted-here", "alike"):
        original.put(NS, name, b"text")
    move(original, workspace)
    write_at_hub(workspace, f"{NS}/hub-only", b"from the hub")
    write_at_hub(workspace, f"{NS}/both", b"from the hub")
    write_at_hub(workspace, f"{NS}/alike", b"alike")
    delete_file(workspace, f"{NS}/deleted-here", condition=ANY, actor=ACTOR)
    for name in ("both", "deleted-here"):
        original.put(NS, name, b"from the old service")
    original.put(NS, "alike", b"alike")
    before = state_of_hub(workspace)

    again = move(original, workspace)

    assert again.told() == {
        f"{NS}/hub-only": ("present", "changed_since"),
        f"{NS}/both": ("changed_at_hub", "changed_at_hub"),
        f"{NS}/deleted-here": ("changed_at_hub", "changed_at_hub"),
        f"{NS}/alike": ("present", "equal"),
    }
    assert again.problems == 2
    assert state_of_hub(workspace)[:2] == before[:2]


def test_a_write_at_the_hub_while_the_import_runs_stays(original: Original, workspace: Workspace) -> None:
    original.keep_versions()
    for text in (b"one", b"two", b"three"):
        original.put(NS, "f", text)

    def write_once(row: Row) -> None:
        if row.hub_version == 1:
            write_at_hub(workspace, f"{NS}/f", b"from the hub")

    moved = move(original, workspace, meanwhile=write_once)

    told = [(str(row.outcome), row.reason) for row in moved.rows if row.path]
    assert told == [("imported", ""), *[("changed_at_hub", "changed_at_hub")] * 2]
    assert texts(workspace) == {f"{NS}/f": b"from the hub"}


def test_an_object_that_changes_while_the_import_runs_comes_with_the_next(
    original: Original, workspace: Workspace
) -> None:
    for number in range(40):
        original.put(NS, f"f{number:02}", b"text")
    changes = iter([b"changed meanwhile"])

    def change_last(row: Row) -> None:
        for text in changes:
            original.put(NS, "f39", text)

    first = move(original, workspace, meanwhile=change_last)
    second = move(original, workspace)

    assert first.told()[f"{NS}/f39"] == ("unreadable", "unreadable")
    assert second.told()[f"{NS}/f39"] == ("imported", "")
    assert texts(workspace)[f"{NS}/f39"] == b"changed meanwhile"


def test_a_file_that_was_at_the_hub_before_stays(original: Original, workspace: Workspace) -> None:
    write_at_hub(workspace, f"{NS}/f", b"from the hub")
    original.put(NS, "f", b"from the old service")

    moved = move(original, workspace)

    assert moved.told() == {f"{NS}/f": ("changed_at_hub", "changed_at_hub")}
    assert texts(workspace) == {f"{NS}/f": b"from the hub"}


def test_history_that_was_imported_is_not_rewritten(s3_server: Bucket, workspace: Workspace) -> None:
    older, newer = Original(s3_server, prefix="older"), Original(s3_server, prefix="newer")
    older.put(NS, "f", b"older")
    time.sleep(1.1)  # The bucket tells whole seconds.
    newer.put(NS, "f", b"newer")
    move(newer, workspace)

    moved = move(older, workspace)

    assert [(str(row.outcome), row.reason) for row in moved.rows if row.path] == [("refused", "newer_is_here")]
    assert texts(workspace) == {f"{NS}/f": b"newer"}


def test_a_message_that_somebody_else_made_up_hides_nothing(original: Original, workspace: Workspace) -> None:
    version = original.put(NS, "f", b"text")
    put_file(
        workspace,
        f"{NS}/f",
        Content.of_bytes(b"made up"),
        condition=ANY,
        content_type="text/plain",
        actor=ACTOR,
        message=f"Silica version {version} of 2025-11-20T10:00:00Z, md5 {md5_of(b'text')}, s3://b/k",
    )

    moved = move(original, workspace)

    assert moved.told() == {f"{NS}/f": ("changed_at_hub", "changed_at_hub")}
