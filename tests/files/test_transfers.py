"""Copies, moves and reverts: versions without bytes."""

from apps.blobs.models import Blob
from apps.files.models import ChangeSet, FileVersion
from tests.files.client import Api, assert_sound, nothing_changes, outcomes, problem


def test_copies_share_their_bytes(filled: Api) -> None:
    answer = filled.post(
        "files:copy?message=again",
        {
            "items": [
                {"source": "a", "target": "copies/a"},
                {"source": "a", "target": "b", "if_version": 2},
                {"source": "gone", "target": "rescued", "source_version": 3},
            ]
        },
    )

    assert outcomes(answer) == [(201, "created"), (200, "updated"), (201, "created")]
    assert [item["version"] for item in answer.json()["items"]] == [5, 6, 7]
    assert [filled.get(f"files/{path}").content for path in ("copies/a", "b", "rescued", "a")] == [
        b"first",
        b"first",
        b"third",
        b"first",
    ]
    assert Blob.objects.count() == 3
    assert ChangeSet.objects.latest("id").message == "again"
    assert_sound()


def test_one_refused_copy_refuses_all(filled: Api) -> None:
    with nothing_changes():
        answer = filled.post("files:copy", {"items": [{"source": "a", "target": "c"}, {"source": "a", "target": "b"}]})

    assert (*problem(answer), answer.json()["version"]) == (412, "precondition_failed", 2)


def test_a_move_leaves_a_tombstone_and_keeps_the_history(filled: Api) -> None:
    answer = filled.post(
        "files:move",
        {"items": [{"source": "a", "target": "moved", "source_version": 1}, {"source": "b", "target": "gone"}]},
    )

    assert outcomes(answer) == [(201, "created"), (201, "created")]
    assert [item["version"] for item in answer.json()["items"]] == [6, 8]
    assert [filled.get(f"files/{path}").status_code for path in ("a", "b")] == [404, 404]
    assert [filled.get(f"files/{path}").content for path in ("moved", "gone", "a?version=1")] == [
        b"first",
        b"second",
        b"first",
    ]
    change_set = ChangeSet.objects.latest("id")
    assert (change_set.put_count, change_set.delete_count) == (2, 2)
    assert_sound()


def test_a_move_of_a_source_that_moved_on_is_refused(filled: Api) -> None:
    filled.put("a", b"newer", If_Match='"1"')

    with nothing_changes():
        answer = filled.post("files:move", {"items": [{"source": "a", "target": "c", "source_version": 1}]})

    assert (*problem(answer), answer.json()["version"]) == (412, "precondition_failed", 5)


def test_one_refused_move_refuses_all(filled: Api) -> None:
    with nothing_changes():
        answer = filled.post(
            "files:move", {"items": [{"source": "a", "target": "c"}, {"source": "never", "target": "d"}]}
        )
        target = filled.post("files:move", {"items": [{"source": "a", "target": "b"}]})

    assert problem(answer) == (404, "not_found")
    assert problem(target) == (412, "precondition_failed")


def test_a_revert_writes_the_old_state_as_a_new_version(filled: Api) -> None:
    filled.put("a", b"newer", If_Match='"1"', type="text/plain")
    filled.put("fresh", b"x")

    answer = filled.post(
        "files:revert",
        {
            "items": [
                {"path": "a", "version": 1, "if_version": 5},
                {"path": "gone", "version": 3, "if_version": 0},
                {"path": "b", "version": 2, "if_version": "any"},
            ]
        },
    )

    assert outcomes(answer) == [(200, "updated"), (201, "created"), (200, "unchanged")]
    restored = filled.get("files/a")
    assert (restored.content, restored["Content-Type"], restored["ETag"]) == (b"first", "text/markdown", '"7"')
    assert filled.get("files/gone").content == b"third"
    assert filled.get("files/a?version=5").content == b"newer"
    assert FileVersion.objects.count() == 8
    assert_sound()


def test_a_revert_to_a_tombstone_deletes_again(filled: Api) -> None:
    filled.put("gone", b"back")

    answer = filled.post("files:revert", {"items": [{"path": "gone", "version": 4, "if_version": 5}]})

    assert outcomes(answer) == [(200, "deleted")]
    assert filled.get("files/gone").status_code == 404


def test_one_refused_revert_refuses_all(filled: Api) -> None:
    filled.put("a", b"newer", If_Match='"1"')

    with nothing_changes():
        answer = filled.post(
            "files:revert",
            {"items": [{"path": "a", "version": 1, "if_version": "any"}, {"path": "b", "version": 2, "if_version": 9}]},
        )

    assert problem(answer) == (412, "precondition_failed")
