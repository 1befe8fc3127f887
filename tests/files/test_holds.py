"""Keeping history, and the one way in which it goes early."""

import pytest

from apps.accounts.models import AuditEvent
from apps.files import holds
from apps.files.models import File, FileVersion, Hold
from tests.factories import make_token
from tests.files.client import Api, assert_sound, nothing_changes, problem


@pytest.fixture
def admin(api: Api) -> Api:
    """`a` at versions 1, 2 and 3; `gone` at 4, deleted at 5."""
    owner = Api(api.client, api.workspace, make_token(api.workspace, "files:read", "files:write", "workspace:admin"))
    for number in range(3):
        owner.put("a", b"%d" % number, query="?overwrite=true")
    owner.put("gone", b"x")
    owner.delete("gone")
    return owner


def purge(api: Api, path: str, confirm: str | None = None) -> tuple[int, int]:
    answer = api.post("files:purge", {"path": path, "confirm": path if confirm is None else confirm})
    assert answer.status_code == 200, answer.content
    return answer.json()["removed"], answer.json()["held"]


def left(path: str) -> list[int]:
    rows = FileVersion.objects.filter(file__path=path).order_by("id").values_list("id", flat=True)
    return [number & (2**40 - 1) for number in rows]


def test_a_hold_is_of_now_unless_it_says_when(admin: Api) -> None:
    assert holds.hold(admin.workspace, holder="now").sequence == 5
    assert holds.hold(admin.workspace, holder="then", sequence=2).sequence == 2
    assert holds.hold(admin.workspace, holder="ahead", sequence=99).sequence == 5


def test_a_hold_may_be_released_twice(admin: Api) -> None:
    holds.hold(admin.workspace, holder="x")

    holds.release(admin.workspace, holder="x")
    holds.release(admin.workspace, holder="x")

    assert not Hold.objects.exists()


def test_a_purge_removes_the_old_versions_of_a_live_file(admin: Api) -> None:
    assert purge(admin, "a") == (2, 0)

    assert left("a") == [3]
    assert admin.get("files/a").content == b"2"
    assert problem(admin.get("files/a?version=1")) == (404, "not_found")
    admin.workspace.refresh_from_db()
    assert (admin.workspace.history_floor, admin.workspace.purged_sequence) == (2, 0)
    assert_sound()


def test_a_purge_of_a_deleted_file_forgets_it(admin: Api) -> None:
    cursor = admin.get("changes?limit=1").json()["cursor"]

    assert purge(admin, "gone") == (2, 0)

    assert not File.objects.filter(path="gone").exists()
    assert problem(admin.get("history/gone")) == (404, "not_found")
    assert problem(admin.get(f"changes?since={cursor}")) == (410, "cursor_expired")
    admin.workspace.refresh_from_db()
    assert admin.workspace.purged_sequence == 5
    assert_sound()


def test_a_purge_leaves_what_a_hold_needs(admin: Api) -> None:
    holds.hold(admin.workspace, holder="one", sequence=2)
    holds.hold(admin.workspace, holder="two", sequence=4)

    assert purge(admin, "a") == (1, 1)
    assert purge(admin, "gone") == (0, 1)

    assert (left("a"), left("gone")) == ([2, 3], [4, 5])
    assert_sound()


def test_a_purge_is_written_into_the_audit_trail(admin: Api) -> None:
    purge(admin, "a")

    event = AuditEvent.objects.get(action="files.purged")
    assert (event.subject, event.details) == ("a", {"removed": 2, "held": 0})


@pytest.mark.parametrize("confirm", ["", "A", "a ", "gone"])
def test_a_purge_wants_the_path_repeated(admin: Api, confirm: str) -> None:
    with nothing_changes():
        answer = admin.post("files:purge", {"path": "a", "confirm": confirm})
        silent = admin.post("files:purge", {"path": "a"})

    assert problem(answer) == problem(silent) == (400, "confirm_required")


def test_a_purge_of_a_path_that_never_was_is_refused(admin: Api) -> None:
    with nothing_changes():
        answer = admin.post("files:purge", {"path": "never", "confirm": "never"})
        unknown = admin.post("files:purge", {"path": "a", "confirm": "a", "force": True})
        bad = admin.post("files:purge", {"path": "../a", "confirm": "../a"})

    assert problem(answer) == (404, "not_found")
    assert problem(unknown) == (422, "invalid")
    assert problem(bad) == (400, "bad_path")


def test_a_purge_needs_an_administrator(admin: Api) -> None:
    editor = Api(admin.client, admin.workspace, make_token(admin.workspace))

    with nothing_changes():
        answer = editor.post("files:purge", {"path": "a", "confirm": "a"})

    assert problem(answer) == (403, "scope_missing")
    assert not AuditEvent.objects.filter(action="files.purged").exists()
