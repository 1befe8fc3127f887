"""Paths that are refused, on every way in, and that a refusal changes nothing."""

from typing import Any
from urllib.parse import quote

import pytest

from apps.workspaces.actions import update_workspace_settings
from tests.factories import ACTOR
from tests.files.client import Api, nothing_changes, problem

BAD_PATHS = [
    ("%2Fa", "slash_at_edge"),
    ("/a", "slash_at_edge"),
    ("a/", "slash_at_edge"),
    ("a%2F", "slash_at_edge"),
    ("a//b", "empty_segment"),
    ("a%2F%2Fb", "empty_segment"),
    (".", "dot_segment"),
    ("..", "dot_segment"),
    ("%2e%2e", "dot_segment"),
    ("a/%2E./b", "dot_segment"),
    ("..%2f..%2fetc/passwd", "dot_segment"),
    ("a%5Cb", "backslash"),
    ("a%00b", "control_character"),
    ("a%0Ab", "control_character"),
    ("a%7F", "control_character"),
    ("a%C2%85", "control_character"),
    ("x" * 256, "segment_too_long"),
    ("a/" * 600 + "a", "too_long"),
    (quote("é" * 513), "too_long"),
    (".memoryhub/x", "reserved"),
    ("%2Ememoryhub/x", "reserved"),
    (".memoryhub", "reserved"),
]


@pytest.mark.parametrize(("path", "rule"), BAD_PATHS)
def test_a_bad_path_is_refused_with_its_rule(api: Api, path: str, rule: str) -> None:
    with nothing_changes():
        answers = [
            api.get(f"files/{path}"),
            api.put(path, b"x", query="?overwrite=true"),
            api.call("DELETE", f"files/{path}?overwrite=true"),
            api.get(f"history/{path}"),
        ]

    assert [(*problem(answer), answer.json()["rule"]) for answer in answers] == [(400, "bad_path", rule)] * 4


@pytest.mark.parametrize(
    ("operation", "item"),
    [
        ("get", {"path": "../a"}),
        ("copy", {"source": "../a", "target": "b"}),
        ("copy", {"source": "live", "target": "../b"}),
        ("move", {"source": "../a", "target": "b"}),
        ("move", {"source": "live", "target": "../b"}),
        ("revert", {"path": "../a", "version": 1, "if_version": "any"}),
    ],
)
def test_a_bad_path_in_an_item_is_refused(live_and_gone: Api, operation: str, item: dict[str, Any]) -> None:
    with nothing_changes():
        answer = live_and_gone.post(f"files:{operation}", {"items": [item]})

    assert (*problem(answer), answer.json()["rule"]) == (400, "bad_path", "dot_segment")


@pytest.mark.parametrize("path", ["\ud800", "", "\x00", "/"])
def test_a_path_that_only_json_can_spell_is_refused(api: Api, path: str) -> None:
    assert problem(api.post("files:get", {"items": [{"path": path}]})) == (400, "bad_path")


def test_a_bad_prefix_is_refused(api: Api) -> None:
    answer = api.get("index?prefix=a%2F..%2Fb")

    assert (*problem(answer), answer.json()["rule"]) == (400, "bad_path", "dot_segment")


@pytest.fixture
def portable(api: Api) -> Api:
    update_workspace_settings(api.workspace, {"portable_names": True}, actor=ACTOR)
    assert api.put("Notes/%C3%89t%C3%A9.md", b"one").status_code == 201
    return api


@pytest.mark.parametrize(
    "path", ["notes/Été.md", "Notes/Été.MD", "Notes/E\u0301t\u00e9.md", "NOTES/E\u0301TE\u0301.MD"]
)
def test_a_twin_is_refused_where_names_are_portable(portable: Api, path: str) -> None:
    with nothing_changes():
        answer = portable.put(quote(path), b"two")

    assert problem(answer) == (409, "path_collision")
    assert answer.json()["twin"] == "Notes/Été.md"


def test_the_name_of_a_deleted_twin_is_free(portable: Api) -> None:
    portable.delete("Notes/%C3%89t%C3%A9.md")

    assert portable.put(quote("notes/été.md"), b"two").status_code == 201


def test_a_file_can_be_renamed_to_its_twin(portable: Api) -> None:
    answer = portable.post("files:move", {"items": [{"source": "Notes/Été.md", "target": "notes/été.md"}]})

    assert answer.status_code == 200
    assert portable.get(quote("files/notes/été.md")).content == b"one"


@pytest.mark.parametrize("path", ["con", "a/NUL.txt", "a.", "a /b", "a:b", "a%3Fb"])
def test_a_windows_name_is_refused_where_names_are_portable(portable: Api, path: str) -> None:
    with nothing_changes():
        answer = portable.put(path, b"x")

    assert (*problem(answer), answer.json()["rule"]) == (400, "bad_path", "windows_reserved")


@pytest.mark.parametrize("operation", ["copy", "move"])
def test_no_transfer_makes_a_twin_or_a_windows_name(portable: Api, operation: str) -> None:
    portable.put("other", b"three")

    with nothing_changes():
        twin = portable.post(f"files:{operation}", {"items": [{"source": "other", "target": "notes/été.md"}]})
        device = portable.post(f"files:{operation}", {"items": [{"source": "other", "target": "con"}]})

    assert problem(twin) == (409, "path_collision")
    assert problem(device) == (400, "bad_path")
