"""Reading every version in order, for background work."""

import pytest

from apps.files import queries, upkeep_sql
from apps.workspaces.models import Workspace
from tests.factories import make_workspace
from tests.files.client import Api


def sets(api: Api, since: int, limit: int = 100) -> list[tuple[int, int, list[tuple[str, int, int | None]]]]:
    """First and last number of each set, and path, version and parent of each version in it."""
    return [
        (found.first, found.last, [(each.path, each.version, each.parent_version) for each in found.versions])
        for found in queries.change_sets_since(api.workspace.pk, since, limit=limit)
    ]


@pytest.fixture
def written(api: Api) -> Api:
    """Three sets: one file, three files at once, one deletion."""
    api.put("a", b"one")
    api.put_many(*(({"path": path, "if_version": "any"}, b"two") for path in ("b", "a", "c")))
    api.delete("a")
    return api


WHOLE = [
    (1, 1, [("a", 1, None)]),
    (2, 4, [("b", 2, None), ("a", 3, 1), ("c", 4, None)]),
    (5, 5, [("a", 5, 3)]),
]


def test_sets_come_whole_and_in_order(written: Api) -> None:
    assert sets(written, 0) == WHOLE
    assert sets(written, 1) == WHOLE[1:]
    assert sets(written, 4) == WHOLE[2:]
    assert sets(written, 5) == []
    assert sets(written, 0, limit=2) == WHOLE[:2]


def test_a_set_tells_who_wrote_it_and_what_it_held(written: Api) -> None:
    first, second, third = queries.change_sets_since(written.workspace.pk, 0, limit=3)

    assert (first.origin, second.origin, third.origin) == ("put", "sync", "put")
    assert {found.actor for found in (first, second, third)} == {f"token:{written.token.split('_')[1]}"}
    assert [(version.size_bytes, version.blob_id is None) for version in third.versions] == [(0, True)]
    assert [version.size_bytes for version in second.versions] == [3, 3, 3]


def test_what_retention_removed_is_missing_from_its_set(written: Api) -> None:
    upkeep_sql.remove_versions(written.workspace.pk, [1, 3])

    assert sets(written, 0) == [(1, 1, []), (2, 4, [WHOLE[1][2][0], WHOLE[1][2][2]]), WHOLE[2]]


def test_large_sets_come_fewer_at_once_and_none_is_skipped(api: Api) -> None:
    for turn in range(7):
        api.put_many(*(({"path": f"{number}", "if_version": "any"}, b"%d" % turn) for number in range(1000)))

    seen, at_once, since = [], [], 0
    while found := queries.change_sets_since(api.workspace.pk, since, limit=100):
        seen += [(each.first, each.last) for each in found]
        at_once.append(sum(len(each.versions) for each in found))
        since = found[-1].last

    assert seen == [(1000 * turn + 1, 1000 * turn + 1000) for turn in range(7)]
    assert at_once == [5000, 2000]


def test_sets_of_another_workspace_are_not_seen(written: Api) -> None:
    later: Workspace = make_workspace()

    assert queries.change_sets_since(later.pk, 0, limit=100) == []
    assert len(sets(written, 0)) == 3
