"""Conditions, cursors, callers and full workspaces: every code that they are refused with, and that nothing changes."""

import hashlib
import json
import re
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection

from apps.files.cursors import FeedCursor
from apps.files.epochs import renew_epochs
from apps.files.frames import END, MEDIA_TYPE, frame
from apps.workspaces.actions import archive_workspace, update_workspace_settings
from apps.workspaces.models import Workspace
from tests.factories import ACTOR, make_token, make_workspace
from tests.files.client import Api, nothing_changes, problem

CANARY = "Q" * 5000


def longest_echo(answer: Any) -> int:
    return max((len(run) for run in re.findall(r"Q+", answer.content.decode())), default=0)


# --- Conditions


@pytest.mark.parametrize(
    ("headers", "query", "code"),
    [
        ({}, "", (428, "precondition_required")),
        ({}, "?overwrite=false", (428, "precondition_required")),
        ({"If_Match": '"1"', "If_None_Match": "*"}, "", (400, "bad_precondition")),
        ({"If_Match": '"1"'}, "?overwrite=true", (400, "bad_precondition")),
        ({"If_None_Match": '"1"'}, "", (400, "bad_precondition")),
        ({"If_Match": "1"}, "", (400, "bad_precondition")),
        ({"If_Match": '"1", "2"'}, "", (400, "bad_precondition")),
        ({"If_Match": '"99999999999999"'}, "", (400, "bad_precondition")),
        ({"If_Match": '"2"'}, "", (412, "precondition_failed")),
        ({}, "?overwrite=yes", (422, "invalid")),
        ({}, f"?overwrite=true&message={'m' * 1001}", (422, "invalid")),
        ({}, "?overwrite=true&message=%00", (422, "invalid")),
    ],
)
def test_a_write_with_a_wrong_condition_is_refused(
    live_and_gone: Api, headers: dict[str, str], query: str, code: tuple[int, str]
) -> None:
    with nothing_changes():
        put = live_and_gone.call("PUT", f"files/live{query}", b"new", **headers)
        delete = live_and_gone.call("DELETE", f"files/live{query}", **headers)

    assert problem(put) == problem(delete) == code


def test_a_failed_condition_tells_the_current_state(live_and_gone: Api) -> None:
    answer = live_and_gone.put("live", b"new", If_Match='"7"')

    body = answer.json()
    assert (body["version"], body["sha256"], body["md5"]) == (
        1,
        hashlib.sha256(b"bytes").hexdigest(),
        hashlib.md5(b"bytes").hexdigest(),
    )


@pytest.mark.parametrize("path", ["gone", "never"])
@pytest.mark.parametrize("if_match", ["*", '"1"', '"3"'])
def test_a_deleted_file_counts_as_absent(live_and_gone: Api, if_match: str, path: str) -> None:
    with nothing_changes():
        answers = [live_and_gone.put(path, b"new", If_Match=if_match), live_and_gone.delete(path, If_Match=if_match)]

    for answer in answers:
        assert problem(answer) == (412, "precondition_failed")
        assert [answer.json()[name] for name in ("version", "sha256", "md5")] == [None, None, None]


@pytest.mark.parametrize("path", ["gone", "never"])
def test_there_is_nothing_to_delete_where_nothing_lives(live_and_gone: Api, path: str) -> None:
    with nothing_changes():
        answer = live_and_gone.call("DELETE", f"files/{path}?overwrite=true")

    assert problem(answer) == (404, "not_found")


def test_a_client_that_lost_its_answer_knows_its_own_bytes(live_and_gone: Api) -> None:
    first = live_and_gone.put("live", b"mine", If_Match='"1"')
    again = live_and_gone.put("live", b"mine", If_Match='"1"')

    assert problem(again) == (412, "precondition_failed")
    assert (again.json()["version"], again.json()["sha256"]) == (first.json()["version"], first.json()["sha256"])


# --- Cursors


@pytest.mark.parametrize("cursor", ["x", "AAAA", "a" * 60, "%00", "é", "a" * 5000])
def test_a_cursor_that_cannot_be_read_is_refused(live_and_gone: Api, cursor: str) -> None:
    assert problem(live_and_gone.get(f"changes?since={quote(cursor)}")) == (400, "bad_cursor")
    assert problem(live_and_gone.get(f"history/live?cursor={quote(cursor)}")) == (400, "bad_cursor")


def test_the_cursor_of_another_workspace_is_refused(live_and_gone: Api) -> None:
    other = make_workspace()
    other.refresh_from_db()
    cursor = FeedCursor(other.public_id, other.epoch, 0)

    assert problem(live_and_gone.get(f"changes?since={cursor}")) == (400, "bad_cursor")


def test_the_cursor_of_another_list_is_refused(live_and_gone: Api) -> None:
    feed = live_and_gone.get("changes").json()["cursor"]

    assert problem(live_and_gone.get(f"history/live?cursor={feed}")) == (400, "bad_cursor")


def test_a_cursor_of_an_earlier_epoch_is_refused(live_and_gone: Api) -> None:
    cursor = live_and_gone.get("changes").json()["cursor"]
    renew_epochs()

    answer = live_and_gone.get(f"changes?since={cursor}")

    assert problem(answer) == (410, "epoch_changed")
    assert "delete nothing" in answer.json()["title"]


def test_a_cursor_from_the_future_is_refused(live_and_gone: Api) -> None:
    workspace = Workspace.objects.get(pk=live_and_gone.workspace.pk)
    ahead = FeedCursor(workspace.public_id, workspace.epoch, 4)

    assert problem(live_and_gone.get(f"changes?since={ahead}")) == (410, "epoch_changed")


def test_a_cursor_below_the_kept_tombstones_is_refused(live_and_gone: Api) -> None:
    cursor = live_and_gone.get("changes?limit=1").json()["cursor"]
    Workspace.objects.filter(pk=live_and_gone.workspace.pk).update(purged_sequence=3)

    answer = live_and_gone.get(f"changes?since={cursor}")

    assert problem(answer) == (410, "cursor_expired")
    assert "delete nothing" in answer.json()["title"]


# --- Callers


OPERATIONS = [
    ("GET", "files/live"),
    ("PUT", "files/live?overwrite=true"),
    ("DELETE", "files/live?overwrite=true"),
    ("GET", "index"),
    ("GET", "changes"),
    ("GET", "history/live"),
    ("POST", "files:put"),
    ("POST", "files:get"),
    ("POST", "files:copy"),
    ("POST", "files:move"),
    ("POST", "files:revert"),
    ("POST", "files:purge"),
]


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer mh_000000000000_" + "0" * 38]
)
def test_a_caller_without_a_good_token_is_refused(live_and_gone: Api, authorization: str) -> None:
    with nothing_changes():
        answers = [live_and_gone.call(method, path, b"{}", Authorization=authorization) for method, path in OPERATIONS]

    for answer in answers:
        assert problem(answer) == (401, "unauthorized")
        assert answer["WWW-Authenticate"] == "Bearer"


READING = {"files/live", "index", "changes", "history/live", "files:get"}


@pytest.mark.parametrize("scope", ["files:read", "files:write", "snapshots:write"])
def test_a_token_without_the_scope_is_refused(live_and_gone: Api, scope: str) -> None:
    narrow = Api(live_and_gone.client, live_and_gone.workspace, make_token(live_and_gone.workspace, scope))
    mine = {"files:read": READING, "files:write": {path for _, path in OPERATIONS} - READING - {"files:purge"}}
    others = [operation for operation in OPERATIONS if operation[1] not in mine.get(scope, ())]

    with nothing_changes():
        answers = [narrow.call(method, path, b"{}") for method, path in others]

    assert [problem(answer) for answer in answers] == [(403, "scope_missing")] * len(others)
    assert {answer.json()["scope"] for answer in answers} <= {"files:read", "files:write", "workspace:admin"} - {scope}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "files/live"),
        ("PATCH", "files/live"),
        ("OPTIONS", "files/live"),
        ("POST", "index"),
        ("DELETE", "index"),
        ("PUT", "changes"),
        ("GET", "files:put"),
        ("PUT", "files:get"),
        ("DELETE", "history/live"),
    ],
)
def test_another_method_is_refused(live_and_gone: Api, method: str, path: str) -> None:
    with nothing_changes():
        answer = live_and_gone.call(method, path, b"x")

    assert problem(answer) == (405, "method_not_allowed")
    assert method not in answer["Allow"].split(", ")


def test_a_strangers_workspace_reads_like_a_missing_one(live_and_gone: Api) -> None:
    stranger = Api(
        live_and_gone.client,
        live_and_gone.workspace,
        make_token(make_workspace(), "files:read", "files:write", "workspace:admin"),
    )
    missing = Api(live_and_gone.client, Workspace(slug="nowhere"), stranger.token)

    with nothing_changes():
        for method, path in OPERATIONS:
            answer, expected = stranger.call(method, path, b"{}"), missing.call(method, path, b"{}")
            assert problem(answer) == (404, "not_found")
            assert answer.content == expected.content


@pytest.mark.parametrize(
    "path",
    ["files/never", "files/gone", "files/live?version=2", "files/live?version=0", "history/never", "files", "nothing"],
)
def test_what_is_not_there_is_not_found(live_and_gone: Api, path: str) -> None:
    assert problem(live_and_gone.get(path)) == (404, "not_found")


def test_a_write_into_an_archived_workspace_is_refused(committed_api: Api) -> None:
    """The gate of another process may still let the caller in for a few seconds."""
    committed_api.put("a", b"x")
    Workspace.objects.filter(pk=committed_api.workspace.pk).update(archived_at="2026-01-01T00:00:00Z")

    with nothing_changes():
        put = committed_api.put("b", b"x")
        batch = committed_api.put_many(({"path": "b", "if_version": 0}, b"x"))
        index = committed_api.get("index")

    assert [problem(answer) for answer in (put, batch, index)] == [(404, "not_found")] * 3


def test_archiving_closes_the_gate(committed_api: Api) -> None:
    committed_api.put("live", b"x")

    archive_workspace(committed_api.workspace, actor=ACTOR)

    assert problem(committed_api.get("files/live")) == (404, "not_found")


# --- Room


def test_a_write_waits_for_the_lock_and_then_says_busy(committed_api: Api) -> None:
    committed_api.put("a", b"one")
    address = connection.get_connection_params()
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")

    with psycopg.connect(
        **{name: address[name] for name in ("dbname", "user", "password", "host", "port") if name in address}
    ) as other:
        other.execute(
            "SELECT FROM workspaces_workspacecounter WHERE workspace_id = %s FOR UPDATE", [committed_api.workspace.pk]
        )
        with nothing_changes():
            answers = [
                committed_api.put("b", b"x"),
                committed_api.put("a", b"two", If_Match='"1"'),
                committed_api.delete("a"),
                committed_api.put_many(({"path": "b", "if_version": 0}, b"x")),
                committed_api.post("files:move", {"items": [{"source": "a", "target": "c"}]}),
            ]
        # What needs no lock is answered all the same.
        unchanged = committed_api.put("a", b"one", type="text/markdown", If_Match='"1"')
        stale = committed_api.put("a", b"two", If_Match='"9"')

    connection.close()
    assert [problem(answer) for answer in answers] == [(503, "busy")] * 5
    assert all(answer["Retry-After"] == "1" for answer in answers)
    assert unchanged.json()["result"] == "unchanged"
    assert problem(stale) == (412, "precondition_failed")


@pytest.mark.parametrize(("option", "room"), [("quota_files", 1), ("quota_live_bytes", 5), ("quota_stored_bytes", 8)])
def test_a_full_quota_is_named(live_and_gone: Api, option: str, room: int) -> None:
    update_workspace_settings(live_and_gone.workspace, {option: room}, actor=ACTOR)

    with nothing_changes():
        single = live_and_gone.put("more", b"z")
        batch = live_and_gone.put_many(({"path": "more", "if_version": 0}, b"z"))
        both = live_and_gone.put_many(({"path": "more", "if_version": 0}, b"z"), query="?mode=all_or_nothing")
    large = live_and_gone.put("more", b"z" * 100_000)

    for answer in (single, large):
        assert (*problem(answer), answer.json()["limit"]) == (507, "quota_exceeded", option)
    item = batch.json()["items"][0]
    assert (batch.status_code, item["status"], item["code"], item["limit"]) == (200, 507, "quota_exceeded", option)
    assert (both.status_code, both.json()["items"][0]["code"]) == (412, "quota_exceeded")
    assert live_and_gone.get("files/more").status_code == 404


def test_a_full_quota_lets_through_what_needs_no_room(live_and_gone: Api) -> None:
    quotas = {"quota_files": 1, "quota_live_bytes": 5, "quota_stored_bytes": 8}
    update_workspace_settings(live_and_gone.workspace, quotas, actor=ACTOR)

    same_size = live_and_gone.put("live", b"old", If_Match='"1"')
    smaller_bytes_again = live_and_gone.put("live", b"bytes", If_Match=same_size["ETag"])
    deleted = live_and_gone.delete("live")
    known = live_and_gone.post("files:revert", {"items": [{"path": "gone", "version": 2, "if_version": 0}]})

    assert [answer.status_code for answer in (same_size, smaller_bytes_again, deleted, known)] == [200, 200, 200, 200]


def test_a_copy_fills_a_quota_too(live_and_gone: Api) -> None:
    update_workspace_settings(live_and_gone.workspace, {"quota_files": 1}, actor=ACTOR)

    with nothing_changes():
        copied = live_and_gone.post("files:copy", {"items": [{"source": "live", "target": "b"}]})
    moved = live_and_gone.post("files:move", {"items": [{"source": "live", "target": "b"}]})

    assert problem(copied) == (507, "quota_exceeded")
    assert moved.status_code == 200


# --- Nothing repeats much of what was sent


@pytest.mark.parametrize(
    ("method", "path", "type", "data"),
    [
        ("GET", f"files/{CANARY}", "text/plain", b""),
        ("GET", f"files/{CANARY[:255]}/{CANARY[:255]}/{CANARY[:255]}", "text/plain", b""),
        ("GET", f"{CANARY}", "text/plain", b""),
        ("GET", f"index?prefix={CANARY}", "text/plain", b""),
        ("GET", f"index?tombstones={CANARY}", "text/plain", b""),
        ("GET", f"changes?since={CANARY}", "text/plain", b""),
        ("GET", f"changes?limit={CANARY}", "text/plain", b""),
        ("GET", f"history/a?cursor={CANARY}", "text/plain", b""),
        ("GET", f"history/{CANARY}", "text/plain", b""),
        ("GET", f"files/a?version={CANARY}", "text/plain", b""),
        ("PUT", f"files/a?overwrite={CANARY}", "text/plain", b"x"),
        ("PUT", f"files/a?overwrite=true&message={CANARY}", "text/plain", b"x"),
        ("PUT", "files/a?overwrite=true", f"text/{CANARY}", b"x"),
        ("POST", f"files:put?mode={CANARY}", MEDIA_TYPE, END),
        ("POST", "files:put", CANARY, END),
        ("POST", "files:put", MEDIA_TYPE, frame({"path": CANARY, "if_version": 0}) + END),
        ("POST", "files:put", MEDIA_TYPE, frame({"path": "a", CANARY: 0}) + END),
        ("POST", "files:put", MEDIA_TYPE, frame({"path": "a", "op": CANARY, "if_version": 0}) + END),
        ("POST", "files:put", MEDIA_TYPE, frame({"path": "a", "if_version": CANARY}) + END),
        ("POST", "files:put", MEDIA_TYPE, frame({"path": "a", "if_version": 0, "sha256": CANARY}) + END),
        ("POST", "files:put", MEDIA_TYPE, frame({"path": "a", "if_version": 0, "content_type": CANARY}) + END),
        ("POST", "files:get", "application/json", json.dumps({"items": [{CANARY: 1}]})),
        ("POST", "files:get", "application/json", json.dumps({"items": [], CANARY: 1})),
        ("POST", "files:get", "application/json", json.dumps({"items": [{"path": CANARY}]})),
        ("POST", "files:copy", "application/json", json.dumps({"items": [{"source": CANARY, "target": "b"}]})),
        (
            "POST",
            "files:revert",
            "application/json",
            json.dumps({"items": [{"path": "live", "version": 1, "if_version": CANARY}]}),
        ),
        ("POST", "files:get", "application/json", CANARY),
        (CANARY[:100], "files/live", "text/plain", b""),
    ],
)
def test_no_refusal_repeats_more_than_200_characters(
    live_and_gone: Api, method: str, path: str, type: str, data: Any
) -> None:
    with nothing_changes():
        answer = live_and_gone.call(method, path, data, type=type)

    assert longest_echo(answer) <= 200
    assert len(answer.content) < 1500


@pytest.mark.parametrize(
    "name",
    [
        "If-Match",
        "If-None-Match",
        "Content-MD5",
        "Content-Digest",
        "Content-Encoding",
        "Range",
        "If-Range",
        "Authorization",
        "Idempotency-Key",
        "X-Request-ID",
    ],
)
def test_no_refusal_repeats_a_header(live_and_gone: Api, name: str) -> None:
    with nothing_changes():
        answer = live_and_gone.call("PUT", "files/live", b"x", **{name: CANARY})

    assert longest_echo(answer) <= 200
    assert all(CANARY[:201] not in value for value in answer.headers.values())
