"""Snapshots over HTTP: refusals, pages, and what each scope may do."""

from dataclasses import replace
from typing import Any

import pytest

from apps.snapshots.models import Snapshot
from tests.factories import make_token
from tests.files.client import Api, body_of, nothing_changes, problem, statements_sent

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(api: Api) -> Api:
    """The workspace with a token that may do everything with snapshots."""
    scopes = ("files:read", "files:write", "snapshots:read", "snapshots:write", "restores:write")
    return replace(api, token=make_token(api.workspace, *scopes))


def made(api: Api, **wish: Any) -> Any:
    answer = api.post("snapshots", wish)
    assert answer.status_code == 201, answer.content
    return answer.json()


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        ({"name": "a/b"}, (400, "bad_name")),
        ({"name": "a..b"}, (400, "bad_name")),
        ({"name": "-a"}, (400, "bad_name")),
        ({"name": "a" * 201}, (422, "invalid")),
        ({"tags": ["x" * 65]}, (422, "invalid")),
        ({"tags": "x"}, (422, "invalid")),
        ({"message": "x" * 1001}, (422, "invalid")),
        ({"nam": "a"}, (422, "invalid")),
    ],
)
def test_a_bad_wish_is_refused_and_nothing_is_made(owner: Api, wish: dict[str, Any], refusal: tuple[int, str]) -> None:
    assert problem(owner.post("snapshots", wish)) == refusal
    assert not Snapshot.objects.exists()


def test_a_taken_name_is_refused(owner: Api) -> None:
    made(owner, name="first")

    assert problem(owner.post("snapshots", {"name": "first"})) == (409, "already_exists")


def test_a_pinned_one_is_not_deleted(owner: Api) -> None:
    made(owner, name="first")
    owner.call("PATCH", "snapshots/first", '{"is_pinned": true}', type="application/json")

    assert problem(owner.call("DELETE", "snapshots/first")) == (409, "pinned")


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        ({"snapshot": "first"}, (400, "confirm_required")),
        ({"snapshot": "first", "confirm": False}, (400, "confirm_required")),
        ({"snapshot": "never", "confirm": True}, (404, "not_found")),
        ({"snapshot": "first", "confirm": True, "prefix": "../x"}, (400, "bad_path")),
        ({"confirm": True}, (422, "invalid")),
        ({"snapshot": "first", "confirm": True, "dry_run": True}, (422, "invalid")),
    ],
)
def test_a_restore_that_is_refused_changes_nothing(owner: Api, wish: dict[str, Any], refusal: tuple[int, str]) -> None:
    owner.put("a", b"one")
    made(owner, name="first")
    owner.put("a", b"two", query="?overwrite=true")

    with nothing_changes():
        assert problem(owner.post("restores", wish)) == refusal

    assert Snapshot.objects.count() == 1


def test_a_restore_brings_the_files_back(owner: Api) -> None:
    owner.put("a", b"one")
    made(owner, name="first")
    owner.put("a", b"two", query="?overwrite=true")

    answer = owner.post("restores", {"snapshot": "first", "confirm": True}).json()

    assert (answer["put"], answer["deleted"]) == (1, 0)
    assert body_of(owner.get("files/a")) == b"one"
    kinds = {row["name"]: row["kind"] for row in owner.get("snapshots").json()["items"]}
    assert kinds == {"first": "manual", answer["safety_snapshot"]: "safety"}


def test_what_a_restore_would_change_is_told_before(owner: Api) -> None:
    for path in ("a", "notes/b"):
        owner.put(path, b"one")
    made(owner, name="first")
    owner.put("a", b"two", query="?overwrite=true")
    owner.put("new", b"new")

    with nothing_changes():
        overlay = owner.get("snapshots/first/restore").json()
        exact = owner.get("snapshots/first/restore?delete=true").json()
        folder = owner.get("snapshots/first/restore?prefix=notes").json()
        added = owner.get("snapshots/first/restore?prefix=new&delete=true").json()
        refusals = [
            problem(owner.get(f"snapshots/{rest}"))
            for rest in ("first/restore?prefix=nots", "first/restore?delete=perhaps", "second/restore")
        ]

    put, delete = {"path": "a", "change": "put"}, {"path": "new", "change": "delete"}
    assert overlay == {"put": 1, "deleted": 0, "is_cut": False, "changes": [put]}
    assert exact == {"put": 1, "deleted": 1, "is_cut": False, "changes": [put, delete]}
    assert added == {"put": 0, "deleted": 1, "is_cut": False, "changes": [delete]}
    assert folder == {"put": 0, "deleted": 0, "is_cut": False, "changes": []}
    assert refusals == [(404, "not_found"), (422, "invalid"), (404, "not_found")]


def test_an_editor_makes_snapshots_and_goes_back_to_none(api: Api) -> None:
    api.put("a", b"one")
    made(api, name="first")

    with nothing_changes():
        assert problem(api.post("restores", {"snapshot": "first", "confirm": True})) == (403, "scope_missing")


def test_pages_hold_every_path_once(owner: Api) -> None:
    owner.put_many(*(({"path": f"{number:02}", "if_version": 0}, b"x") for number in range(7)))
    made(owner, name="first")
    owner.put_many(*(({"path": f"{number:02}", "if_version": "any"}, b"y") for number in range(7)))

    assert paths(owner, "snapshots/first/files") == [f"{number:02}" for number in range(7)]
    assert paths(owner, "snapshots/first/changes") == [f"{number:02}" for number in range(7)]
    assert problem(owner.get("snapshots/first/files?cursor=x")) == (400, "bad_cursor")


def paths(api: Api, address: str) -> list[str]:
    """Of all pages of three."""
    found: list[str] = []
    cursor = ""
    while True:
        page = api.get(f"{address}?limit=3{cursor}").json()
        found += [item["path"] for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def test_a_list_costs_the_same_for_one_and_for_many(owner: Api) -> None:
    made(owner)
    owner.get("snapshots")
    with statements_sent() as for_one:
        owner.get("snapshots")

    for _ in range(50):
        made(owner)
    with statements_sent() as for_many:
        owner.get("snapshots")

    assert len(for_many) == len(for_one)


def test_a_key_makes_one_snapshot(owner: Api) -> None:
    first = owner.post("snapshots", {}, Idempotency_Key="one").json()
    again = owner.post("snapshots", {}, Idempotency_Key="one").json()

    assert first == again
    assert Snapshot.objects.count() == 1
