"""Query parameters that the file operations do not know: refused, before anything is done."""

import pytest

from tests.files.client import Api, nothing_changes, problem


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("DELETE", "files/live?overwrite=true&version=1", "unknown_parameter"),
        ("DELETE", "files/live?overwrite=true&overwrite=true", "repeated_parameter"),
        ("PUT", "files/live?overwrite=true&mesage=why", "unknown_parameter"),
        ("PUT", "files/live?overwrite=true&message=a&message=b", "repeated_parameter"),
        ("GET", "files/live?verson=1", "unknown_parameter"),
        ("GET", "files/live?version=1&version=2", "repeated_parameter"),
        ("GET", "index?tombstone=true", "unknown_parameter"),
        ("GET", "changes?cursor=x", "unknown_parameter"),
        ("GET", "history/live?since=x", "unknown_parameter"),
    ],
)
def test_a_query_parameter_that_means_nothing_here_is_refused(
    live_and_gone: Api, method: str, path: str, code: str
) -> None:
    with nothing_changes():
        answer = live_and_gone.call(method, path, b"new")

    assert problem(answer) == (422, "invalid")
    assert [error["code"] for error in answer.json()["errors"]] == [code]


@pytest.mark.parametrize(
    ("query", "code"),
    [("?mod=all_or_nothing", "unknown_parameter"), ("?mode=partial&mode=all_or_nothing", "repeated_parameter")],
)
def test_a_batch_with_a_query_parameter_that_means_nothing_is_not_applied_in_part(
    live_and_gone: Api, query: str, code: str
) -> None:
    with nothing_changes():
        answer = live_and_gone.put_many(({"path": "new", "if_version": 0}, b"new"), query=query)

    assert problem(answer) == (422, "invalid")
    assert [error["code"] for error in answer.json()["errors"]] == [code]


def test_a_refused_query_parameter_leaves_the_idempotency_key_unused(live_and_gone: Api) -> None:
    item = {"source": "live", "target": "copy", "if_version": 0}

    refused = live_and_gone.post("files:copy?mesage=why", {"items": [item]}, Idempotency_Key="k")
    done = live_and_gone.post("files:copy?message=why", {"items": [item]}, Idempotency_Key="k")

    assert problem(refused) == (422, "invalid")
    assert done.status_code == 200
