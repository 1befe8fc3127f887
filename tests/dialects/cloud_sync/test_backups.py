"""The local calls: backups, their restore, and the second mechanism of the original."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from apps.snapshots.models import Snapshot, SnapshotKind
from tests.dialects.cloud_sync.service import Service
from tests.dialects.cloud_sync.test_access import said


def names_of(service: Service) -> list[str]:
    return [each["name"] for each in service.get("/backups").json()["backups"]]


# --- Create


def test_a_backup_is_made_and_told_with_the_keys_that_the_command_line_prints(service: Service, own_data: Path) -> None:
    service.write("a.md", "one")

    answer = service.post("/backup")

    [snapshot] = Snapshot.objects.all()
    path = str(own_data / "backups" / service.workspace.slug / snapshot.name)
    assert said(answer) == (
        200,
        {
            "success": True,
            "backup_path": path,
            "message": "Backup created successfully",
            "path": path,
            "backup": snapshot.name,
            "name": snapshot.name,
        },
    )
    assert re.fullmatch(r"manual_\d{8}_\d{6}", snapshot.name)
    assert (snapshot.files, snapshot.kind) == (1, SnapshotKind.MANUAL)


@pytest.mark.parametrize(
    ("prefix", "cleaned"),
    [
        ("nightly", "nightly"),
        ("my pre/x", "my_pre_x"),
        ("pre-import", "pre-import"),
        ("A_b-9", "A_b-9"),
        ("é", "manual"),
        ("../../../etc", "etc"),
        ("--x", "x"),
        ("", "manual"),
        ("x" * 50, "x" * 50),
    ],
)
def test_prefixes_are_cleaned(service: Service, prefix: str, cleaned: str) -> None:
    by_query = service.post("/backup", prefix=prefix).json()["name"]
    by_body = service.post("/backup", body={"prefix": prefix}).json()["name"]

    assert re.fullmatch(rf"{re.escape(cleaned)}_\d{{8}}_\d{{6}}", by_query)
    assert by_body.startswith(f"{cleaned}_")


def test_a_prefix_of_51_characters_is_422(service: Service) -> None:
    answer = service.post("/backup", prefix="x" * 51)

    assert said(answer) == (
        422,
        {
            "detail": [
                {
                    "type": "string_too_long",
                    "loc": ["query", "prefix"],
                    "msg": "String should have at most 50 characters",
                    "input": "x" * 51,
                    "ctx": {"max_length": 50},
                }
            ]
        },
    )
    assert not Snapshot.objects.exists()


def test_the_query_wins_over_the_body_and_other_bodies_say_nothing(service: Service) -> None:
    both = service.post("/backup", prefix="query", body={"prefix": "body"}).json()["name"]
    neither = service.http.post("/backup", content=b"prefix=form").json()["name"]
    null = service.post("/backup", body={"prefix": None}).json()["name"]

    assert both.startswith("query_")
    assert neither.startswith("manual_") and null.startswith("manual_")
    assert said(service.post("/backup", body={"prefix": 7}))[0] == 422


def test_two_backups_of_one_second_are_two(service: Service) -> None:
    """In the original they shared a folder."""
    made = [service.post("/backup").json()["name"] for _ in range(5)]

    assert len(set(made)) == len(set(names_of(service))) == 5


# --- List


def test_backups_of_every_kind_are_listed_by_name_with_their_times(service: Service) -> None:
    assert said(service.get("/backups")) == (200, {"backups": [], "count": 0})
    for prefix in ("manual", "scheduled", "auto"):
        service.post("/backup", prefix=prefix)

    listed = service.get("/backups").json()

    assert [each["name"].partition("_")[0] for each in listed["backups"]] == ["scheduled", "manual", "auto"]
    assert listed["count"] == 3
    for each, snapshot in zip(listed["backups"], Snapshot.objects.order_by("-name"), strict=True):
        assert each["created"] == snapshot.created_at.timestamp()
        assert each["created_at"] == each["date"]
        assert list(each) == ["name", "created", "created_at", "date"]


def test_an_empty_folder_is_no_backup(service: Service, own_data: Path) -> None:
    """A download that failed left one in the original, which then was the latest."""
    (own_data / "backups" / service.workspace.slug / "manual_20990101_000000").mkdir(parents=True)

    assert names_of(service) == []


# --- Restore


def test_a_restore_brings_the_files_back_and_a_safety_backup_undoes_it(service: Service) -> None:
    service.write("a.md", "one")
    service.write("b.md", "two")
    then = service.files()
    name = service.post("/backup").json()["name"]
    service.write("a.md", "changed")
    service.delete("b.md")
    service.write("c.md", "new")
    now = service.files()

    answer = service.post("/restore", body={"backup_name": name})

    assert said(answer) == (
        200,
        {
            "success": True,
            "restored_from": name,
            "total_memories": 2,
            "message": "Restored successfully",
            "restored": 2,
            "count": 2,
        },
    )
    assert service.files() == then
    [safety] = [each for each in names_of(service) if each.startswith("safety_")]
    assert service.post("/restore", body={"backup_name": safety}).json()["total_memories"] == 2
    assert service.files() == now


def test_restoring_what_is_there_already_changes_nothing(service: Service) -> None:
    service.write("a.md", "one")
    name = service.post("/backup").json()["name"]

    assert service.post("/restore", backup_name=name).status_code == 200
    assert names_of(service) == [name]


@pytest.mark.parametrize("name", ["../etc", "a/b", "a\\b", "a..b", ".."])
def test_restore_refuses_names_that_lead_elsewhere(service: Service, name: str) -> None:
    assert said(service.post("/restore", body={"backup_name": name})) == (
        400,
        {"detail": f"Invalid backup name: {name}"},
    )


@pytest.mark.parametrize("name", ["manual_20260101_000000", ".hidden", "x" * 200, "né"])
def test_restore_of_an_unknown_name_is_404(service: Service, name: str) -> None:
    assert said(service.post("/restore", body={"backup_name": name})) == (404, {"detail": f"Backup '{name}' not found"})


BAD_FORMS: list[tuple[bytes, dict[str, Any]]] = [
    (b"", {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}),
    (
        b'{"name": "x"}',
        {"type": "missing", "loc": ["body", "backup_name"], "msg": "Field required", "input": {"name": "x"}},
    ),
    (
        b'{"backup_name": ""}',
        {
            "type": "string_too_short",
            "loc": ["body", "backup_name"],
            "msg": "String should have at least 1 character",
            "input": "",
            "ctx": {"min_length": 1},
        },
    ),
    (
        b'{"backup_name": 7}',
        {
            "type": "string_type",
            "loc": ["body", "backup_name"],
            "msg": "Input should be a valid string",
            "input": 7,
        },
    ),
    (
        b"{",
        {
            "type": "json_invalid",
            "loc": ["body", 0],
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": "Expecting property name enclosed in double quotes"},
        },
    ),
    (
        b"[1]",
        {
            "type": "model_attributes_type",
            "loc": ["body"],
            "msg": "Input should be a valid dictionary or object to extract fields from",
            "input": [1],
        },
    ),
]


@pytest.mark.parametrize(("body", "entry"), BAD_FORMS)
def test_a_form_that_cannot_be_read_is_422_as_the_framework_told_it(
    service: Service, body: bytes, entry: dict[str, Any]
) -> None:
    answer = service.http.post("/restore", content=body)

    assert said(answer) == (422, {"detail": [entry]})


def test_a_name_of_201_characters_is_422_and_is_not_repeated_whole(service: Service) -> None:
    answer = service.post("/restore", body={"backup_name": "x" * 201})

    [entry] = answer.json()["detail"]
    assert (answer.status_code, entry["type"], entry["ctx"]) == (422, "string_too_long", {"max_length": 200})
    assert len(entry["input"]) == 200


def test_the_backup_that_is_restored_survives_its_own_safety_backup(service: Service) -> None:
    """In the original the safety backup could push the oldest out, and then there was nothing to restore."""
    service.write("a.md", "one")
    oldest = service.post("/backup").json()["name"]
    for number in range(12):
        service.write("a.md", str(number))
        service.post("/backup", prefix="pre_delete")

    assert service.post("/restore", body={"backup_name": oldest}).status_code == 200
    assert service.post("/restore", body={"backup_name": oldest}).status_code == 200
    assert len(names_of(service)) == 14


def test_equal_numbers_of_files_are_restored_with_their_texts(service: Service) -> None:
    """The original kept stale vectors when the number was the same."""
    service.write("a.md", "one")
    name = service.post("/backup").json()["name"]
    then = service.files()
    service.write("a.md", "other")

    service.post("/restore", body={"backup_name": name})

    assert service.files() == then


# --- The second mechanism


def test_snapshots_are_the_same_backups_in_another_shape(service: Service) -> None:
    assert said(service.get("/snapshots")) == (200, {"snapshots": [], "count": 0})
    service.write("a.md", "one")

    first = service.post("/snapshots").json()
    second = service.post("/snapshots", reason="before the move").json()

    listed = service.get("/snapshots").json()
    assert [each["name"] for each in listed["snapshots"]] == [second["snapshot"], first["snapshot"]]
    assert [each["reason"] for each in listed["snapshots"]] == ["before the move", "manual"]
    assert [list(each) for each in listed["snapshots"]] == [["name", "reason", "timestamp", "point_count"]] * 2
    assert [each["point_count"] for each in listed["snapshots"]] == [1, 1]
    assert set(names_of(service)) == {first["snapshot"], second["snapshot"]}


def test_one_of_two_snapshots_comes_back_exactly(service: Service) -> None:
    service.write("a.md", "one")
    first, then = service.post("/snapshots").json()["snapshot"], service.files()
    service.write("a.md", "two")
    service.write("b.md", "b")
    service.post("/snapshots")

    answer = service.post(f"/snapshots/{first}/restore")

    assert said(answer) == (200, {"success": True, "restored": first})
    assert service.files() == then


def test_an_unknown_snapshot_is_404(service: Service) -> None:
    """It was 500 in the original."""
    assert said(service.post("/snapshots/never/restore")) == (404, {"detail": "Snapshot 'never' not found"})
    assert service.post("/snapshots", body={"reason": "x" * 1001}).status_code == 422


def test_lists_cost_the_same_for_one_and_for_fifty(service: Service, django_assert_num_queries: Any) -> None:
    service.get("/backups")
    service.post("/backup")
    with django_assert_num_queries(1):
        service.get("/backups")
    for _ in range(50):
        service.post("/backup")

    with django_assert_num_queries(1):
        assert service.get("/backups").json()["count"] == 51
    with django_assert_num_queries(1):
        assert json.loads(service.get("/snapshots").content)["count"] == 51
