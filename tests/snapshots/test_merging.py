"""Comparing states by path, and joining two that grew from one."""

from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.snapshots.merging import CONFLICT_MARK, Step, conflict_name, joined, merged, restored, same

AT = datetime(2026, 3, 9, 23, 30, tzinfo=UTC)


class File(NamedTuple):
    path: str
    sha256: bytes
    content_type: str = "text/plain"


def file(content: str | None, path: str = "a") -> File | None:
    return None if content is None else File(path, content.encode())


def state(files: dict[str, str]) -> list[File]:
    return sorted((File(path, content.encode()) for path, content in files.items()), key=lambda one: one.path.encode())


PATHS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
STATES = st.dictionaries(PATHS, st.sampled_from(["one", "two", "three"]), max_size=12)


# --- Reading states side by side


def test_states_are_joined_by_the_bytes_of_their_paths() -> None:
    one, other = state({"a": "1", "é": "1", "z": "1"}), state({"a": "2", "b": "2", "é": "1"})

    found = [(path, [each and each.sha256 for each in files]) for path, files in joined(one, other)]

    assert found == [("a", [b"1", b"2"]), ("b", [None, b"2"]), ("z", [b"1", None]), ("é", [b"1", b"1"])]


def test_nothing_joined_is_nothing() -> None:
    assert list(joined()) == list(joined([], iter([]))) == []


@given(st.lists(STATES, min_size=1, max_size=4))
def test_a_join_has_each_path_once_with_its_file_in_each_state(states: list[dict[str, str]]) -> None:
    found = list(joined(*(iter(state(files)) for files in states)))

    paths = [path for path, _ in found]
    assert paths == sorted({path for files in states for path in files}, key=str.encode)
    for path, files in found:
        assert files == tuple(file(files_of.get(path), path) for files_of in states)


# --- Restoring


@pytest.mark.parametrize(
    ("wanted", "now", "is_same"),
    [
        (None, None, True),
        (File("a", b"1"), None, False),
        (None, File("a", b"1"), False),
        (File("a", b"1"), File("b", b"1"), True),
        (File("a", b"1"), File("a", b"2"), False),
        (File("a", b"1", "x/y"), File("a", b"1", "x/z"), False),
    ],
)
def test_files_are_the_same_by_bytes_and_media_type(wanted: File | None, now: File | None, is_same: bool) -> None:
    assert same(wanted, now) is is_same


@pytest.mark.parametrize("delete", [True, False])
@given(then=STATES, now=STATES)
def test_what_a_restore_writes_brings_the_old_state_back(
    delete: bool, then: dict[str, str], now: dict[str, str]
) -> None:
    after = dict(now)

    for path, (wanted, is_now) in joined(state(then), state(now)):
        step = restored(wanted, is_now, path, delete=delete)
        if step is not None:
            assert after.get(path) != then.get(path), "what is as it was is not written"
            apply(after, [step])

    assert after == (then if delete else now | then)


def apply(files: dict[str, str], steps: list[Step]) -> None:
    for step in steps:
        if step.file is None:
            del files[step.path]
        else:
            files[step.path] = step.file.sha256.decode()


# --- Merging


BESIDE = "a.theirs"


@pytest.mark.parametrize(
    ("base", "theirs", "ours", "after"),
    [
        # Neither side has changed it, or both in the same way.
        ("x", "x", "x", {"a": "x"}),
        ("x", "y", "y", {"a": "y"}),
        ("x", None, None, {}),
        (None, "y", "y", {"a": "y"}),
        # Only theirs.
        ("x", "y", "x", {"a": "y"}),
        ("x", None, "x", {}),
        (None, "y", None, {"a": "y"}),
        # Only ours.
        ("x", "x", "y", {"a": "y"}),
        ("x", "x", None, {}),
        (None, None, "y", {"a": "y"}),
        # Both: ours stays, theirs is written beside it.
        ("x", "y", "z", {"a": "z", BESIDE: "y"}),
        (None, "y", "z", {"a": "z", BESIDE: "y"}),
        # One has deleted what the other has changed: the text stays.
        ("x", None, "z", {"a": "z"}),
        ("x", "y", None, {"a": "y"}),
    ],
)
def test_a_path_is_merged(base: str | None, theirs: str | None, ours: str | None, after: dict[str, str]) -> None:
    files = {} if ours is None else {"a": ours}

    apply(files, merged("a", file(base), file(theirs), file(ours), name_beside=lambda path: f"{path}.theirs"))

    assert files == after


CONTENTS = st.sampled_from([None, "one", "two", "three"])


@given(base=CONTENTS, theirs=CONTENTS, ours=CONTENTS)
def test_no_text_that_a_side_has_written_is_lost(base: str | None, theirs: str | None, ours: str | None) -> None:
    files = {} if ours is None else {"a": ours}

    apply(files, merged("a", file(base), file(theirs), file(ours), name_beside=lambda path: f"{path}.theirs"))

    for written in (theirs, ours):
        if written not in (None, base):
            assert written in files.values()
    if theirs in (base, ours):
        assert files.get("a") == ours, "without their change nothing of ours is"


def test_a_change_of_the_media_type_is_a_change() -> None:
    base, theirs = File("a", b"x", "text/plain"), File("a", b"x", "text/html")

    steps = merged("a", base, theirs, base, name_beside=lambda path: f"{path}.theirs")

    assert steps == [Step("a", theirs)]


# --- The names of conflicts


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("tea.md", "tea (conflict 2026-03-09 from other).md"),
        ("notes/tea.md", "notes/tea (conflict 2026-03-09 from other).md"),
        ("notes.d/tea", "notes.d/tea (conflict 2026-03-09 from other)"),
        (".profile", ".profile (conflict 2026-03-09 from other)"),
        ("a.tar.gz", "a.tar (conflict 2026-03-09 from other).gz"),
    ],
)
def test_the_text_of_the_other_side_has_a_name_beside_it(path: str, name: str) -> None:
    assert conflict_name(path, at=AT, source="other") == name


def test_the_day_is_that_of_utc() -> None:
    there = AT.astimezone(timezone(timedelta(hours=5)))

    assert conflict_name("a", at=there, source="other") == conflict_name("a", at=AT, source="other")


def test_a_name_that_is_taken_gets_a_number() -> None:
    first = conflict_name("a.md", at=AT, source="other")
    second = conflict_name("a.md", at=AT, source="other", taken=[first])
    third = conflict_name("a.md", at=AT, source="other", taken=[first, second])

    assert second == "a (conflict 2026-03-09 from other 2).md"
    assert third == "a (conflict 2026-03-09 from other 3).md"


SEGMENTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1).filter(
    lambda segment: segment not in (".", "..") and len(segment.encode()) <= 255
)
LONG = st.integers(1, 255).map(lambda count: "x" * count)


@given(
    st.lists(st.one_of(SEGMENTS, LONG), min_size=1, max_size=5).filter(
        lambda parts: len("/".join(parts).encode()) <= 1024
    ),
    st.text("abc._-", min_size=1, max_size=100),
)
def test_a_conflicts_name_is_a_path_wherever_the_file_lies(parts: list[str], source: str) -> None:
    path = "/".join(parts)

    name = conflict_name(path, at=AT, source=source)

    folder, _, last = name.rpartition("/")
    assert name != path
    assert CONFLICT_MARK in last
    assert folder == path.rpartition("/")[0]
    assert len(last.encode()) <= 255
    assert len(name.encode()) <= 1024
