"""What every place of remote copies promises: a directory, a bucket, another storage, a bucket without delete."""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apps.blobs.spooling import CHUNK_BYTES
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import ObjectExists, ObjectMissing, ObjectTooLarge
from tests.snapshots.places.conftest import REFUSING

SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 9 * 1024 * 1024)
ORDERED = [
    ".memoryhub/packs/00/aa", "A", "a!b/c", "a-b/c", "a.txt", "a/b-c", "a/b/c", "a0", "b c/ä+%&?#=~'(1)", "z",
    "é", "\ufb01", "\U0001f600",
]  # fmt: skip
"""Names by their UTF-8 bytes: neither as folders are walked through, nor by UTF-16, nor by any alphabet."""


def fill(place: Place, names: list[str]) -> None:
    """Objects of these names; each holds its own name."""
    for name in names:
        place.put(name, name.encode())


def listed(place: Place, folder: str = "", *, behind: str = "") -> list[str]:
    return [entry.name for entry in place.names(folder, behind=behind)]


def content(place: Place, name: str) -> bytes:
    return place.read(name, most_bytes=10_000_000)


def test_bytes_are_read_as_they_were_written(place: Place):
    for size_bytes in SIZES:
        data = os.urandom(size_bytes)

        place.put("copies/one", data)

        fetched = io.BytesIO()
        assert place.read("copies/one", most_bytes=size_bytes) == data
        assert (place.fetch("copies/one", fetched, most_bytes=size_bytes), fetched.getvalue()) == (size_bytes, data)
        found = place.stat("copies/one")
        assert found is not None
        assert (found.name, found.size_bytes) == ("copies/one", size_bytes)


def test_a_file_is_written_whole_and_stays_where_it_was(place: Place, tmp_path: Path):
    source = tmp_path / "source"
    for size_bytes in SIZES:
        data = os.urandom(size_bytes)
        source.write_bytes(data)

        place.put("one", source)

        assert place.read("one", most_bytes=size_bytes) == data
        assert source.read_bytes() == data


def test_a_source_that_is_not_there_writes_nothing(place: Place, tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        place.put("one", tmp_path / "gone")

    assert place.stat("one") is None


def test_an_object_that_is_larger_than_wanted_is_not_taken(place: Place):
    for size_bytes in (1, 100, 2 * CHUNK_BYTES):
        place.put("one", bytes(size_bytes))

        with pytest.raises(ObjectTooLarge):
            place.read("one", most_bytes=size_bytes - 1)
        with pytest.raises(ObjectTooLarge):
            place.fetch("one", io.BytesIO(), most_bytes=size_bytes - 1)

        assert place.read("one", most_bytes=size_bytes) == bytes(size_bytes)


def test_the_beginning_of_an_object_is_its_first_bytes_or_all_of_them(place: Place):
    for size_bytes in (0, 1, 99, 100, 101, 3 * CHUNK_BYTES):
        data = os.urandom(size_bytes)
        place.put("one", data)

        assert place.beginning("one", 100) == data[:100]


def test_what_was_never_written_is_missing(place: Place):
    place.put("folder/one", b"one")

    assert place.stat("folder/two") is None
    assert place.stat("nowhere/one") is None
    for name in ("folder/two", "nowhere/one"):
        with pytest.raises(ObjectMissing):
            place.read(name, most_bytes=100)
        with pytest.raises(ObjectMissing):
            place.beginning(name, 100)


def test_writing_again_replaces(place: Place):
    place.put("one", b"the first, longer data")

    place.put("one", b"the second")

    assert content(place, "one") == b"the second"
    assert listed(place) == ["one"]


def test_a_fresh_write_leaves_an_older_object_alone_where_the_target_can(place: Place, kind: str, tmp_path: Path):
    source = tmp_path / "source"
    source.write_bytes(b"the second")
    place.put("folder/one", b"the first", fresh=True)

    if kind in REFUSING:
        with pytest.raises(ObjectExists):
            place.put("folder/one", b"the second", fresh=True)
        with pytest.raises(ObjectExists):
            place.put("folder/one", source, fresh=True)
        expected = b"the first"
    else:
        place.put("folder/one", source, fresh=True)
        expected = b"the second"

    assert content(place, "folder/one") == expected
    assert listed(place) == ["folder/one"]


def test_objects_are_listed_by_the_bytes_of_their_names(place: Place):
    fill(place, ORDERED[::-1])

    assert listed(place) == ORDERED
    assert [content(place, name) for name in ORDERED] == [name.encode() for name in ORDERED]
    assert [(entry.size_bytes, place.stat(entry.name)) for entry in place.names()] == [
        (len(name.encode()), place.stat(name)) for name in ORDERED
    ]


def test_a_listing_begins_behind_any_name(place: Place):
    fill(place, ORDERED)

    begun = ["", " ", "a", "a!b/c", "a-", "a-b/c", "a/", "a/b/", "a/zz", "a0", "é", "~~"]

    assert {behind: listed(place, behind=behind) for behind in begun} == {
        behind: [name for name in ORDERED if name > behind] for behind in begun
    }


def test_a_folder_is_listed_alone(place: Place):
    fill(place, ORDERED)

    expected = {
        ("a", ""): ["a/b-c", "a/b/c"],
        ("a", "a/b-c"): ["a/b/c"],
        ("a", "a/b/c"): [],
        ("a", "0"): ["a/b-c", "a/b/c"],
        ("a", "a0"): [],
        ("a/b", ""): ["a/b/c"],
        (".memoryhub", ""): [".memoryhub/packs/00/aa"],
        ("nowhere", ""): [],
        ("a0", ""): [],
    }

    assert {asked: listed(place, asked[0], behind=asked[1]) for asked in expected} == expected


def test_folders_are_those_that_hold_objects(place: Place):
    fill(place, ["a-b/one", "a/one", "a/deep/one", "a/deep/two", "file", ".memoryhub/packs/one", "ä/one"])

    assert list(place.folders()) == [".memoryhub", "a", "a-b", "ä"]
    assert list(place.folders("a")) == ["deep"]
    assert list(place.folders("a/deep")) == []
    assert list(place.folders("nowhere")) == []


def test_an_empty_place_is_empty(place: Place):
    assert listed(place) == []
    assert list(place.folders()) == []
    assert place.stat("one") is None


def test_more_objects_and_folders_than_a_page_holds_are_listed_in_order(deleting_place: Place):
    folders = [f"auto_{number:04d}" for number in range(1010)]
    names = [f"{folder}/manifest" for folder in folders]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: deleting_place.put(name, b"x"), names[::-1]))

    assert listed(deleting_place) == names
    assert listed(deleting_place, behind=names[4]) == names[5:]
    assert list(deleting_place.folders()) == folders


def test_threads_share_a_place(place: Place):
    def there_and_back(number: int) -> bool:
        data = os.urandom(50_000)
        place.put(f"folder/{number}", data)
        return content(place, f"folder/{number}") == data and len(listed(place, "folder")) >= 1

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(there_and_back, range(24)))

    assert outcomes == [True] * 24
    assert len(listed(place)) == 24


def test_times_are_those_of_the_writing(place: Place):
    place.put("one", b"one")

    [entry] = place.names()
    found = place.stat("one")

    assert found is not None
    for moment in (entry.modified_at, found.modified_at):
        assert moment is not None
        assert abs(moment - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_place_below_is_a_folder_of_the_same_target(place: Place):
    below = place.below("work").below("deeper")

    below.put("one", b"one")
    place.put("two", b"two")

    assert listed(below) == ["one"]
    assert listed(place) == ["two", "work/deeper/one"]
    assert listed(place.below("work"), behind="deeper/a") == ["deeper/one"]
    assert content(below, "one") == b"one"
    assert below.stat("two") is None


def test_what_is_no_name_reaches_no_target(place: Place):
    for name in ("", "/one", "one/", "a//b", ".", "..", "../one", "a/../one", "a\0b", "a\\b", "\udc80"):
        for step in (place.stat, place.delete, place.below):
            with pytest.raises(ValueError):
                step(name)
        with pytest.raises(ValueError):
            place.put(name, b"data")
        with pytest.raises(ValueError):
            place.read(name, most_bytes=100)

    assert listed(place) == []


def test_what_was_deleted_is_gone_and_may_be_deleted_again(deleting_place: Place):
    place = deleting_place
    fill(place, ["a/one", "a/two", "b/one"])

    place.delete("a/one")
    place.delete("b/one")
    place.delete("b/one")
    place.delete("never/was")

    assert listed(place) == ["a/two"]
    assert list(place.folders()) == ["a"]
    assert place.stat("b/one") is None
    with pytest.raises(ObjectMissing):
        place.read("a/one", most_bytes=100)


def test_a_folder_that_was_emptied_is_written_to_again(deleting_place: Place):
    deleting_place.put("a/b/one", b"first")
    deleting_place.delete("a/b/one")

    deleting_place.put("a/b/one", b"second")

    assert content(deleting_place, "a/b/one") == b"second"


def test_objects_that_are_written_while_others_are_deleted_arrive(deleting_place: Place):
    def come_and_go(number: int) -> None:
        for turn in range(20):
            deleting_place.put(f"folder/{number}", b"%d" % turn)
            deleting_place.delete(f"folder/{number}")
        deleting_place.put(f"folder/{number}", b"last")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(come_and_go, range(4)))

    assert {content(deleting_place, f"folder/{number}") for number in range(4)} == {b"last"}
