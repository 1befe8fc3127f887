"""Nothing of a workspace can be read, changed, counted or inferred with the token of another.

Every operation of the native API takes part by itself, through its documented example. The older wires, which are not
in the description, have `test_isolation_of_wires`.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import override_settings

from apps.accounts.scopes import VIEWER_SCOPES
from apps.blobs.content import Content
from apps.common.conditions import ANY
from apps.files.actions import put_file
from apps.files.api.schemas import BODY_EXAMPLE, PATH_EXAMPLE, SHA256_EXAMPLE
from apps.files.frames import END, frame
from apps.files.frames import MEDIA_TYPE as FRAMES
from apps.snapshots.api.copy_schemas import TARGET_NAME as TARGET
from apps.snapshots.api.schemas import NAME_EXAMPLE as SNAPSHOT
from apps.workspaces.models import Workspace
from tests.contracts.house import House, documented_request, nothing_changes, steady
from tests.contracts.openapi import JSON, Exchange, Operation, named, operation, operations
from tests.contracts.situations import (
    ACTOR,
    a_copy,
    a_delivery,
    a_file,
    a_job,
    a_member,
    a_peer,
    a_pushed_summary,
    a_restore,
    a_snapshot,
    a_target,
    a_token,
    an_identity,
    another_copy,
    another_restore,
)
from tests.factories import make_member, make_token

API = "/api/v1/workspaces"
IN_A_WORKSPACE = [each for each in operations() if "slug" in each.path_parameters()]
READS_BY_POST = frozenset({"files_get_many"})
MAKES_ITS_OWN = frozenset({"files_write", "members_set"})
"""Operations for which a name that is in use elsewhere is a new one here."""


@pytest.fixture
def stranger(db: None) -> House:
    """A workspace with every scope, whose token has been used a moment ago."""
    house = House.new("stranger")
    assert house.send(Exchange("GET", f"{API}/stranger")).status_code == 200
    return house


def a_token_without_user(stranger: House) -> str:
    return stranger.token


def a_members_token(stranger: House) -> str:
    return make_token(stranger.workspace, *VIEWER_SCOPES, "files:write", user=make_member(stranger.workspace, "owner"))


def the_static_key(stranger: House) -> str:
    return "static-key-of-the-stranger"


@pytest.mark.parametrize("caller", [a_token_without_user, a_members_token, the_static_key])
@pytest.mark.parametrize("operation", IN_A_WORKSPACE, ids=named)
@override_settings(API_KEY="static-key-of-the-stranger", API_KEY_WORKSPACE="stranger")
def test_anothers_workspace_answers_like_one_that_does_not_exist(
    operation: Operation, caller: Callable[[House], str], stranger: House
):
    House.prepared(operation)
    token = caller(stranger)
    stranger.send(Exchange("GET", f"{API}/stranger"), token=token)

    with nothing_changes():
        existing = stranger.send(documented_request(operation), token=token)
        missing = stranger.send(documented_request(operation, slug="missing"), token=token)

    assert existing.status_code == 404
    if operation.method != "HEAD":
        assert existing.json()["code"] == "not_found"
    assert steady(existing) == steady(missing)


@pytest.mark.parametrize("operation", [each for each in operations() if each.method in ("GET", "HEAD")], ids=named)
def test_what_another_workspace_holds_changes_no_answer(operation: Operation, stranger: House):
    request = documented_request(operation, slug="stranger")
    before = stranger.send(request)
    House.prepared(operation)

    after = stranger.send(request)

    assert steady(after) == steady(before)


JUDGED_BY_STATE = frozenset({"files_delete"})
"""Operations that say 412 where nothing is, since their example names a version."""
WITH_IDS = [
    each
    for each in IN_A_WORKSPACE
    if each.path_parameters() - {"slug"} and each.id not in MAKES_ITS_OWN | JUDGED_BY_STATE
]
UNKNOWN = {
    "job_id": "019b8d84-6c40-7d3a-8f6e-000000000000",
    "webhook_id": "019b8d84-6c40-7d3a-8f6e-000000000000",
    "token_id": "0000000000zz",
    "path": "notes/never.md",
    "provider": "heare",
    "subject": "key_nobody",
    "username": "nobody",
    "name": "never",
    "target": "never",
    "restore_id": "019b8d84-6c40-7d3a-8f6e-000000000000",
    "agent_id": "019b8d84-6c40-7d3a-8f6e-000000000000",
}


@pytest.mark.parametrize("operation", WITH_IDS, ids=named)
def test_names_of_anothers_things_are_unknown_here(operation: Operation, stranger: House):
    assert operation.path_parameters() - {"slug"} <= UNKNOWN.keys()
    House.prepared(operation)

    with nothing_changes():
        theirs = stranger.send(documented_request(operation, slug="stranger"))
        nobodys = stranger.send(documented_request(operation, slug="stranger", **UNKNOWN))

    assert theirs.status_code == 404
    assert steady(theirs) == steady(nobodys)


def test_a_version_of_anothers_path_cannot_be_deleted_here(stranger: House):
    owner = House.prepared(operation("files_delete"))
    head = owner.send(documented_request(operation("files_head"))).headers["ETag"]

    with nothing_changes():
        at_version = stranger.send(documented_request(operation("files_delete"), slug="stranger", **{"If-Match": head}))
        at_all = stranger.send(Exchange("DELETE", f"{API}/stranger/files/{PATH_EXAMPLE}?overwrite=true"))

    assert (at_version.status_code, at_version.json()["version"], at_version.json()["sha256"]) == (412, None, None)
    assert (at_all.status_code, at_all.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("operation_id", sorted(MAKES_ITS_OWN))
def test_a_name_in_use_elsewhere_is_a_new_one_here(operation_id: str, stranger: House):
    owner = House.prepared(operation("files_read"))
    a_member(owner.workspace)
    theirs = owner.rows()

    answer = stranger.send(documented_request(operation(operation_id), slug="stranger"))

    assert answer.status_code in operation(operation_id).statuses
    assert owner.rows() == theirs


def put_by_digest(sha256: str) -> Exchange:
    """A batch that asks for bytes by their digest."""
    content = frame({"path": "stolen.md", "if_version": 0, "from_sha256": sha256}) + END
    return Exchange("POST", f"{API}/stranger/files:put", {"Content-Type": FRAMES}, content)


def post(verb: str, item: dict[str, Any]) -> Exchange:
    body = json.dumps({"items": [item]}).encode()
    return Exchange("POST", f"{API}/stranger/files:{verb}", {"Content-Type": JSON}, body)


def purge(path: str) -> Exchange:
    body = json.dumps({"path": path, "confirm": path}).encode()
    return Exchange("POST", f"{API}/stranger/files:purge", {"Content-Type": JSON}, body)


NAMED_IN_BODIES: dict[str, tuple[Exchange, Exchange, int]] = {
    "from_sha256": (put_by_digest(SHA256_EXAMPLE), put_by_digest("0" * 64), 200),
    "copy": (
        post("copy", {"source": PATH_EXAMPLE, "target": "stolen.md"}),
        post("copy", {"source": "notes/never.md", "target": "stolen.md"}),
        404,
    ),
    "copy of a version": (
        post("copy", {"source": PATH_EXAMPLE, "target": "stolen.md", "source_version": 1}),
        post("copy", {"source": "notes/never.md", "target": "stolen.md", "source_version": 1}),
        404,
    ),
    "move": (
        post("move", {"source": PATH_EXAMPLE, "target": "stolen.md"}),
        post("move", {"source": "notes/never.md", "target": "stolen.md"}),
        404,
    ),
    "revert": (
        post("revert", {"path": PATH_EXAMPLE, "version": 1, "if_version": "any"}),
        post("revert", {"path": "notes/never.md", "version": 1, "if_version": "any"}),
        404,
    ),
    "purge": (purge(PATH_EXAMPLE), purge("notes/never.md"), 404),
}
"""A request that names a thing of the other workspace in its body, the same for a thing that is nowhere, the status."""


@pytest.mark.parametrize("name", NAMED_IN_BODIES)
def test_anothers_bytes_cannot_be_named_in_a_body(name: str, stranger: House):
    theirs, nobodys, status = NAMED_IN_BODIES[name]
    a_file(House.new("default").workspace)

    with nothing_changes():
        answers = [stranger.send(theirs), stranger.send(nobodys)]

    assert [answer.status_code for answer in answers] == [status, status]
    # They repeat the path that was asked for, which is as long in both.
    alike, headers, body = steady(answers[1])
    assert steady(answers[0]) == (alike, headers, body.replace(b"notes/never.md", PATH_EXAMPLE.encode()))
    assert "not_found" in answers[0].text


def test_a_batch_of_reads_finds_nothing_of_anothers(stranger: House):
    a_file(House.new("default").workspace)

    answer = stranger.send(post("get", {"path": PATH_EXAMPLE}))

    assert answer.content == frame({"path": PATH_EXAMPLE, "status": 404, "code": "not_found"}) + END


def test_a_cursor_of_anothers_feed_is_refused(stranger: House):
    owner = House.new("default")
    a_file(owner.workspace)
    cursor = owner.send(Exchange("GET", f"{API}/default/changes")).json()["cursor"]

    answer = stranger.send(Exchange("GET", f"{API}/stranger/changes?since={cursor}"))

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")
    assert owner.workspace.slug not in answer.text


def two_files_in_a_snapshot(workspace: Workspace) -> None:
    put_file(workspace, "another", Content.of_bytes(b"x"), condition=ANY, content_type="text/plain", actor=ACTOR)
    a_snapshot(workspace)


LISTS: dict[str, Callable[[Any], object]] = {
    "agents": a_pushed_summary,
    "federation/labels": a_pushed_summary,
    "federation/peers": a_peer,
    "federation/topics": a_pushed_summary,
    "summaries": a_pushed_summary,
    "audit": a_member,
    "identities": an_identity,
    "jobs": a_job,
    "members": a_member,
    "tokens": a_token,
    "webhooks": a_delivery,
    "history/notes/hello.md": a_file,
    "restores": a_restore,
    "snapshots": a_snapshot,
    "targets": a_target,
    f"targets/{TARGET}/copies": a_copy,
    f"snapshots/{SNAPSHOT}/changes": a_snapshot,
    f"snapshots/{SNAPSHOT}/files": two_files_in_a_snapshot,
}


def test_every_list_has_a_row():
    paged = {each.path.removeprefix(f"{API}/{{slug}}/") for each in operations() if has_pages(each)}

    # The list of workspaces names none, and the deliveries lie below the id of a webhook.
    rows = {
        name.replace(PATH_EXAMPLE, "{path}").replace(SNAPSHOT, "{name}").replace(TARGET, "{target}") for name in LISTS
    }
    assert paged == rows | {API, "webhooks/{webhook_id}/deliveries"}


def has_pages(operation: Operation) -> bool:
    example = operation.answer_example(200) if 200 in operation.statuses else None
    return example is not None and "next_cursor" in example[1]


@pytest.mark.parametrize("name", LISTS)
def test_a_cursor_of_anothers_list_leads_to_none_of_its_items(name: str, stranger: House):
    owner = House.new("default")
    LISTS[name](owner.workspace)
    if name.startswith("history/"):
        a_file(stranger.workspace)
    if name.startswith("snapshots/"):
        a_snapshot(stranger.workspace)
    first = make_more(name, owner)
    assert first["next_cursor"] is not None

    answer = stranger.send(Exchange("GET", f"{API}/stranger/{name}?cursor={first['next_cursor']}"))

    # A target that belongs to the other workspace is not even there.
    assert answer.status_code == (404 if name.startswith("targets/") else 200)
    own = stranger.send(Exchange("GET", f"{API}/stranger/{name}")).json().get("items", [])
    assert [item for item in answer.json().get("items", []) if item not in own] == []


def make_more(name: str, owner: House) -> dict[str, Any]:
    """The first page, of one item, of a list that has at least two."""

    def push() -> object:
        body = {"agent_id": "another", "timestamp": "2026-02-01", "fact_hashes": ["another"]}
        return owner.send(
            Exchange("POST", f"{API}/default/summaries", {"Content-Type": JSON}, json.dumps(body).encode())
        )

    more: dict[str, Callable[[], object]] = {
        "agents": push,
        "federation/labels": push,
        "federation/peers": lambda: owner.send(
            Exchange(
                "POST",
                f"{API}/default/federation/peers",
                {"Content-Type": JSON},
                b'{"name": "second", "url": "https://hub.example.org"}',
            )
        ),
        "summaries": push,
        "history/notes/hello.md": lambda: owner.send(
            Exchange("PUT", f"{API}/default/files/{PATH_EXAMPLE}?overwrite=true", {}, b"more")
        ),
        "identities": lambda: owner.send(
            Exchange(
                "POST",
                f"{API}/default/identities",
                {"Content-Type": JSON},
                b'{"provider": "github", "subject": "1", "scopes": ["files:read"]}',
            )
        ),
        "members": lambda: make_member(owner.workspace, "viewer"),
        "snapshots": lambda: owner.send(
            Exchange("POST", f"{API}/default/snapshots", {"Content-Type": JSON}, b'{"name": "second"}')
        ),
        f"snapshots/{SNAPSHOT}/changes": lambda: [
            owner.send(Exchange("PUT", f"{API}/default/files/{path}?overwrite=true", {}, b"more"))
            for path in (PATH_EXAMPLE, "another")
        ],
        "restores": lambda: another_restore(owner.workspace),
        "targets": lambda: a_target(owner.workspace, "second"),
        f"targets/{TARGET}/copies": lambda: another_copy(owner.workspace),
        "jobs": lambda: a_delivery(owner.workspace),
        "webhooks": lambda: owner.send(
            Exchange(
                "POST",
                f"{API}/default/webhooks",
                {"Content-Type": JSON},
                b'{"url": "https://hooks.example.org/", "events": ["files.changed"]}',
            )
        ),
    }
    more.get(name, lambda: None)()
    page: dict[str, Any] = owner.send(Exchange("GET", f"{API}/default/{name}?limit=1")).json()
    return page


def test_an_idempotency_key_of_anothers_token_is_a_new_one(stranger: House):
    owner = House.new("default")
    adding = operation("identities_add")
    first = adding.request(("Idempotency-Key",), {"Idempotency-Key": "shared-key"})
    second = adding.request(("Idempotency-Key",), {"Idempotency-Key": "shared-key", "slug": "stranger"})

    answers = [owner.send(first), stranger.send(second)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, None]


WRITES = [each for each in IN_A_WORKSPACE if each.method not in ("GET", "HEAD") and each.id not in READS_BY_POST]


@pytest.mark.parametrize("operation", WRITES, ids=named)
def test_a_viewer_changes_nothing(operation: Operation, db: None):
    house = House.prepared(operation)
    viewer = make_token(house.workspace, *VIEWER_SCOPES)
    assert house.send(Exchange("GET", f"{API}/default"), token=viewer).status_code == 200

    with nothing_changes():
        answer = house.send(documented_request(operation), token=viewer)

    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_a_viewer_reads(db: None):
    house = House.prepared(operation("files_read"))
    viewer = make_token(house.workspace, *VIEWER_SCOPES)

    one = house.send(documented_request(operation("files_read")), token=viewer)
    many = house.send(documented_request(operation("files_get_many")), token=viewer)

    assert (one.status_code, one.text) == (200, BODY_EXAMPLE)
    assert many.status_code == 200
