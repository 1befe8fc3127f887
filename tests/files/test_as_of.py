"""A workspace as it was at a sequence."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TransactionTestCase

from apps.accounts.actors import Actor
from apps.blobs.content import Content
from apps.common.conditions import ANY
from apps.files.actions import apply_change
from apps.files.as_of import differences, files_as_of
from apps.files.changes import ChangeItem
from apps.workspaces.models import Workspace
from tests.factories import make_workspace
from tests.files.client import Api

pytestmark = pytest.mark.django_db


def paths(api: Api, sequence: int, **narrowed: str) -> list[tuple[str, int]]:
    return [(row.path, row.version) for row in files_as_of(api.workspace.pk, sequence, **narrowed)]


@pytest.fixture
def written(api: Api) -> Api:
    """a and b/c at 1 and 2, a changed at 3, b/c deleted at 4 and back at 5, d at 6."""
    api.put("a", b"one")
    api.put("b/c", b"two")
    api.put("a", b"three", query="?overwrite=true")
    api.delete("b/c")
    api.put("b/c", b"four")
    api.put("d", b"five")
    return api


@pytest.mark.parametrize(
    ("sequence", "live"),
    [
        (0, []),
        (1, [("a", 1)]),
        (2, [("a", 1), ("b/c", 2)]),
        (3, [("a", 3), ("b/c", 2)]),
        (4, [("a", 3)]),
        (5, [("a", 3), ("b/c", 5)]),
        (6, [("a", 3), ("b/c", 5), ("d", 6)]),
        (99, [("a", 3), ("b/c", 5), ("d", 6)]),
    ],
)
def test_each_path_has_the_state_that_it_had(written: Api, sequence: int, live: list[tuple[str, int]]) -> None:
    assert paths(written, sequence) == live


def test_a_folder_or_what_is_behind_a_path_can_be_asked_for(written: Api) -> None:
    assert paths(written, 6, prefix="b/") == [("b/c", 5)]
    assert paths(written, 6, after="b/c") == [("d", 6)]
    assert [row.path for row in files_as_of(written.workspace.pk, 6, limit=2)] == ["a", "b/c"]


def test_an_old_state_tells_the_bytes_of_then(written: Api) -> None:
    (row,) = files_as_of(written.workspace.pk, 1)

    content = Content.of_bytes(b"one")
    assert (row.sha256, row.md5, row.size_bytes, row.content_type) == (content.sha256, content.md5, 3, "text/markdown")


def test_two_states_differ_in_what_was_written_between_and_stayed_different(written: Api) -> None:
    def between(first: int, last: int) -> list[tuple[str, int | None, int | None]]:
        rows = differences(written.workspace.pk, first, last)
        return [
            (row.path, row.before_sha256 and row.before_version, row.after_sha256 and row.after_version) for row in rows
        ]

    assert between(0, 2) == [("a", None, 1), ("b/c", None, 2)]
    assert between(2, 4) == [("a", 1, 3), ("b/c", 2, None)]
    assert between(4, 4) == []
    assert between(1, 2) == [("b/c", None, 2)]


def test_a_path_that_was_written_back_does_not_differ(api: Api) -> None:
    api.put("a", b"one")
    api.put("a", b"two", query="?overwrite=true")
    api.put("a", b"one", query="?overwrite=true")

    assert list(differences(api.workspace.pk, 1, 3)) == []


class AnyHistory(TransactionTestCase):
    """Against a model that keeps every state."""

    @settings(max_examples=15, deadline=None)
    @given(
        st.lists(st.tuples(st.sampled_from(["a", "b", "b/c", "d"]), st.sampled_from([b"1", b"2", None])), max_size=12)
    )
    def test_states_and_differences_are_those_of_the_model(self, steps: list[tuple[str, bytes | None]]) -> None:
        workspace = make_workspace()
        states: list[Mapping[str, bytes]] = [{}]
        for path, data in steps:
            content = None if data is None else Content.of_bytes(data)
            change = apply_change(workspace, ChangeItem(path, ANY, content, "text/plain"), actor=Actor("test"))
            if change.is_applied and change.status != "unchanged":
                after = {key: value for key, value in states[-1].items() if key != path}
                states.append(after if data is None else after | {path: data})

        for sequence, state in enumerate(states):
            assert live(workspace, sequence) == state
        for first in range(len(states)):
            for last in range(first, len(states)):
                changed = {
                    path
                    for path in states[first].keys() | states[last].keys()
                    if states[first].get(path) != states[last].get(path)
                }
                assert [row.path for row in differences(workspace.pk, first, last)] == sorted(changed)


def live(workspace: Workspace, sequence: int) -> dict[str, bytes]:
    known = {Content.of_bytes(data).sha256: data for data in (b"1", b"2")}
    return {row.path: known[row.sha256] for row in files_as_of(workspace.pk, sequence)}
