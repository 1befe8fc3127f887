"""Both clients behind a proxy that fails: what was done is done once, and nobody is told otherwise."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memoryhub.client import (
    ANY,
    Change,
    ConnectionFailed,
    DamagedAnswer,
    Delete,
    PreconditionFailed,
    Put,
    RefusedItem,
    Revert,
    Transfer,
    TryLater,
)
from tests.client.conftest import QUICK
from tests.fakes.faulty_proxy import Fault, FaultyProxy

LOST = [Fault.RESET_AFTER, Fault.BREAK_OFF, Fault.RESET_MIDWAY]
"""The hub has done what it was asked, and its answer does not arrive."""
UNDONE = [Fault.RESET, Fault.STATUS_503]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def results(changes: list[Change | RefusedItem]) -> list[str]:
    return [change.result if isinstance(change, Change) else change.error.code for change in changes]


@pytest.mark.parametrize("fault", LOST)
def test_a_write_whose_answer_was_lost_is_done_once(hub: Any, shaky: Any, proxy: FaultyProxy, fault: Fault) -> None:
    with proxy.failing(fault, "PUT", times=1):
        change = shaky.put("a", b"one", if_version=0)

    assert (change.version, change.sha256) == (1, sha256(b"one"))
    assert [row.version for row in hub.history("a").items] == [1]
    assert len(proxy.seen) == 2


@pytest.mark.parametrize("fault", LOST)
def test_a_deletion_whose_answer_was_lost_is_done_once(hub: Any, shaky: Any, proxy: FaultyProxy, fault: Fault) -> None:
    hub.put("a", b"one", if_version=0)

    with proxy.failing(fault, "DELETE", times=1):
        change = shaky.delete("a", if_version=1)

    assert change.result == "deleted"
    assert [row.version for row in hub.history("a").items] == [2, 1]


@pytest.mark.parametrize("all_or_nothing", [False, True])
@pytest.mark.parametrize("fault", LOST)
def test_a_batch_whose_answer_was_lost_is_done_once(
    hub: Any, shaky: Any, proxy: FaultyProxy, fault: Fault, all_or_nothing: bool
) -> None:
    hub.put("old", b"old", if_version=0)
    hub.put("gone", b"gone", if_version=0)
    items = [
        Put("new", b"new", 0),
        Put("old", b"two", 1),
        Delete("gone", 2),
        Put("same", None, 0, from_sha256=sha256(b"old")),
    ]

    with proxy.failing(fault, "POST", times=1):
        changes = shaky.put_many(items, all_or_nothing=all_or_nothing)

    assert results(changes) == ["unchanged", "unchanged", "deleted", "unchanged"]
    assert [change.version for change in changes[:2]] == [3, 4]
    assert len(hub.changes().items) == 4
    assert hub.changes().items[-1].version == 6


def test_another_writers_work_is_not_taken_for_ones_own(hub: Any, shaky: Any, proxy: FaultyProxy) -> None:
    hub.put("a", b"theirs", if_version=0)

    with proxy.failing(Fault.RESET, times=1), pytest.raises(PreconditionFailed):
        shaky.put("a", b"mine", if_version=0)
    with proxy.failing(Fault.RESET_AFTER, times=1):
        changes = shaky.put_many([Put("a", b"mine", 0), Delete("a", 7)][:1])

    assert results(changes) == ["precondition_failed"]
    assert hub.read("a") == b"theirs"


def test_a_deletion_that_is_sent_again_does_not_take_another_writers_refusal_for_its_own_doing(
    hub: Any, shaky: Any, proxy: FaultyProxy
) -> None:
    hub.put("a", b"mine", if_version=0)
    hub.put("a", b"theirs", if_version=1)

    with proxy.failing(Fault.RESET_AFTER, times=1), pytest.raises(PreconditionFailed):
        shaky.delete("a", if_version=1)
    with proxy.failing(Fault.RESET_AFTER, times=1):
        changes = shaky.put_many([Delete("a", 1)])

    assert results(changes) == ["precondition_failed"]
    assert hub.read("a") == b"theirs"


def test_a_batch_without_conditions_does_not_overwrite_what_came_after_it(
    hub: Any, shaky: Any, proxy: FaultyProxy
) -> None:
    hub.put("a", b"old", if_version=0)
    hub.put("b", b"old", if_version=0)

    def others_write() -> None:
        hub.put("a", b"theirs", if_version=ANY)
        hub.put("b", b"theirs", if_version=ANY)

    with proxy.failing(Fault.RESET_AFTER, "POST", times=1, meanwhile=others_write):
        changes = shaky.put_many([Put("a", b"mine", ANY), Delete("b", ANY)])

    assert [(change.result, change.version) for change in changes] == [("updated", 3), ("deleted", 4)]
    assert (hub.read("a"), hub.read("b")) == (b"theirs", b"theirs")


def test_all_or_nothing_is_refused_alike_when_it_is_sent_again(hub: Any, shaky: Any, proxy: FaultyProxy) -> None:
    hub.put("a", b"theirs", if_version=0)

    with proxy.failing(Fault.RESET_AFTER, "POST", times=1), pytest.raises(PreconditionFailed):
        shaky.put_many([Put("a", b"mine", 0), Put("b", b"mine", 0)], all_or_nothing=True)

    assert [file.path for file in hub.index().files] == ["a"]


@pytest.mark.parametrize("fault", LOST)
def test_a_move_whose_answer_was_lost_is_done_once(hub: Any, shaky: Any, proxy: FaultyProxy, fault: Fault) -> None:
    hub.put("a", b"one", if_version=0)

    with proxy.failing(fault, "POST", times=1):
        changes = shaky.move([Transfer("a", "b")])

    assert [(change.path, change.result) for change in changes] == [("b", "created")]
    assert [file.path for file in hub.index().files] == ["b"]


def test_copies_and_reverts_are_sent_again_too(hub: Any, shaky: Any, proxy: FaultyProxy) -> None:
    hub.put("a", b"one", if_version=0)
    hub.put("a", b"two", if_version=1)

    with proxy.failing(Fault.RESET_AFTER, "POST", times=1):
        copied = shaky.copy([Transfer("a", "b")])
    with proxy.failing(Fault.RESET_AFTER, "POST", times=1):
        reverted = shaky.revert([Revert("a", 1, ANY)])

    assert ([change.result for change in copied], [change.result for change in reverted]) == (["created"], ["updated"])
    assert [row.version for row in hub.history("a").items] == [4, 2, 1]


@pytest.mark.parametrize("fault", UNDONE)
def test_what_clears_by_itself_is_waited_for(hub: Any, shaky: Any, proxy: FaultyProxy, fault: Fault) -> None:
    with proxy.failing(fault, times=3):
        change = shaky.put("a", b"one", if_version=0)

    assert change == Change("a", "created", 1, sha256(b"one"))


@pytest.mark.parametrize("fault, error", [(Fault.RESET, ConnectionFailed), (Fault.STATUS_503, TryLater)])
def test_what_does_not_clear_is_told_in_the_end(
    shaky: Any, proxy: FaultyProxy, fault: Fault, error: type[Exception]
) -> None:
    with proxy.failing(fault), pytest.raises(error):
        shaky.info()

    assert len(proxy.seen) == QUICK.attempts


def test_a_hub_that_is_not_there_is_told(connect: Callable[..., Any], proxy: FaultyProxy) -> None:
    with pytest.raises(ConnectionFailed, match="cannot be reached"):
        connect("http://127.0.0.1:9").info()


@pytest.mark.parametrize("fault", LOST)
def test_a_download_goes_on_where_it_broke(hub: Any, shaky: Any, proxy: FaultyProxy, fault: Fault) -> None:
    data = bytes(range(256)) * 8000
    hub.put("large.bin", data, if_version=0)

    with proxy.failing(fault, "GET", times=3):
        read = shaky.read("large.bin")

    assert read == data
    assert len(proxy.seen) == 4


@pytest.mark.parametrize("fault", [Fault.SHORTEN, Fault.DAMAGE])
def test_a_damaged_download_is_no_download(hub: Any, shaky: Any, proxy: FaultyProxy, fault: Fault) -> None:
    hub.put("a", b"some bytes", if_version=0)

    with proxy.failing(fault, "GET"), pytest.raises(DamagedAnswer):
        shaky.read("a")


def test_a_file_that_changes_while_it_is_read_is_not_pieced_together(hub: Any, shaky: Any, proxy: FaultyProxy) -> None:
    hub.put("a", b"x" * 2_000_000, if_version=0)
    with proxy.failing(Fault.BREAK_OFF, "GET", times=1):
        pieces = shaky.stream("a")
        next(pieces)
        hub.put("a", b"y" * 2_000_000, if_version=1)

        with pytest.raises(DamagedAnswer, match="changed while it was read"):
            list(pieces)


@pytest.mark.parametrize("fault", LOST)
def test_a_file_arrives_whole_over_connections_that_break(
    hub: Any, shaky: Any, proxy: FaultyProxy, fault: Fault, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 8000
    hub.put("large.bin", data, if_version=0)

    with proxy.failing(fault, "GET", times=3):
        shaky.download("large.bin", tmp_path / "here.bin")

    assert (tmp_path / "here.bin").read_bytes() == data


def test_a_damaged_download_leaves_the_file_as_it_was(hub: Any, shaky: Any, proxy: FaultyProxy, tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(b"before")
    hub.put("a", b"some bytes", if_version=0)

    with proxy.failing(Fault.DAMAGE, "GET"), pytest.raises(DamagedAnswer):
        shaky.download("a", tmp_path / "here")

    assert (tmp_path / "here").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize("fault", [Fault.SHORTEN, Fault.DAMAGE])
def test_a_damaged_batch_is_told(hub: Any, shaky: Any, proxy: FaultyProxy, fault: Fault) -> None:
    hub.put("a", b"some bytes", if_version=0)

    with proxy.failing(fault, "POST"), pytest.raises(DamagedAnswer):
        shaky.get_many([("a", None)])


@pytest.mark.parametrize("fault", [Fault.SHORTEN, Fault.BREAK_OFF])
def test_half_an_index_is_none(hub: Any, shaky: Any, proxy: FaultyProxy, fault: Fault) -> None:
    hub.put_many([Put(f"{number}.md", b"x", 0) for number in range(100)])

    with proxy.failing(fault, "GET"), pytest.raises(DamagedAnswer):
        shaky.index()
