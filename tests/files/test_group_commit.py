"""Writers of one process that meet at one workspace."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction

from apps.accounts.actors import Actor
from apps.blobs.content import Content
from apps.common.conditions import ABSENT, ANY, Condition
from apps.common.errors import Unavailable
from apps.files import group_commit
from apps.files.actions import apply_change
from apps.files.changes import Change, ChangeItem, ChangeStatus
from apps.files.models import ChangeSet, File, FileVersion
from apps.workspaces.models import Workspace, WorkspaceCounter
from tests.factories import make_workspace
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

CREATED, UPDATED, LOST = ChangeStatus.CREATED, ChangeStatus.UPDATED, ChangeStatus.PRECONDITION_FAILED


class Writers:
    """Threads, each with a connection and a name of its own."""

    def __init__(self, workspace: Workspace, threads: ThreadPoolExecutor) -> None:
        self.workspace = workspace
        self._threads = threads

    def begin(self, path: str, *, name: str, condition: Condition = ANY, content: Content | None = None) -> Future[Any]:
        item = ChangeItem(path, condition, content or Content.of_bytes(name.encode()), "text/plain")
        return self._threads.submit(self._write, item, name)

    def _write(self, item: ChangeItem, name: str) -> Change:
        try:
            return apply_change(self.workspace, item, actor=Actor(name), message=f"by {name}")
        finally:
            connections.close_all()

    def waiting(self) -> int:
        """How many wait for the one of this process that is writing."""
        return len(group_commit._queues.get(self.workspace.pk, ()))


@pytest.fixture
def writers() -> Iterator[Writers]:
    with ThreadPoolExecutor(40) as threads:
        yield Writers(make_workspace(), threads)


@contextmanager
def somebody_is_writing(workspace: Workspace) -> Iterator[None]:
    """Another process, in a transaction that has the workspace's counter row."""
    with transaction.atomic():
        WorkspaceCounter.objects.select_for_update(no_key=True).get(workspace=workspace)
        yield


def transactions() -> dict[str, str]:
    """The transaction in which each path's head was written."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT path, xmin::text FROM files_file")
        return dict(cursor.fetchall())


def met(writers: Writers, begin: Callable[[], list[Future[Any]]]) -> list[Future[Any]]:
    """Lets one writer wait for another process, and those that `begin` starts wait for that one; then all go on."""
    with somebody_is_writing(writers.workspace):
        first = writers.begin("first.md", name="first")
        wait_until(lambda: writers.workspace.pk in group_commit._queues)
        futures = begin()
        wait_until(lambda: writers.waiting() == len(futures))
    assert first.result().status is CREATED
    return futures


def test_those_who_waited_share_one_transaction_and_keep_their_own_change_sets(writers: Writers) -> None:
    names = ["a", "b", "c", "d", "e"]

    futures = met(writers, lambda: [writers.begin(f"{name}.md", name=name) for name in names])

    changes = [future.result() for future in futures]
    assert {change.status for change in changes} == {CREATED}
    assert sorted(change.version or 0 for change in changes) == [2, 3, 4, 5, 6]
    written_in = transactions()
    assert len({written_in[f"{name}.md"] for name in names}) == 1
    assert written_in["first.md"] != written_in["a.md"]
    base = writers.workspace.pk << 40
    sets = {row.id: (row.last, row.actor, row.message, row.put_count) for row in ChangeSet.objects.all()}
    for name, change in zip(names, changes, strict=True):
        number = base | (change.version or 0)
        assert sets.pop(number) == (number, name, f"by {name}", 1)
    assert set(sets) == {base | 1}
    counter = WorkspaceCounter.objects.get(workspace=writers.workspace)
    assert (counter.last_sequence, counter.live_files, counter.live_bytes) == (6, 6, len("first") + 5)
    assert group_commit._queues == {}


def test_of_equal_creations_in_one_transaction_one_wins(writers: Writers) -> None:
    futures = met(writers, lambda: [writers.begin("one.md", name=name, condition=ABSENT) for name in "abcd"])

    changes = [future.result() for future in futures]
    assert sorted(change.status for change in changes) == sorted([CREATED, LOST, LOST, LOST])
    (winner,) = (change for change in changes if change.status is CREATED)
    assert {(change.version, change.sha256) for change in changes} == {(winner.version, winner.sha256)}
    assert FileVersion.objects.filter(file__path="one.md").count() == 1


def test_unconditional_writes_of_one_path_follow_each_other(writers: Writers) -> None:
    futures = met(writers, lambda: [writers.begin("one.md", name=name) for name in "abcd"])

    changes = sorted((future.result() for future in futures), key=lambda change: change.version or 0)
    assert [change.status for change in changes] == [CREATED, UPDATED, UPDATED, UPDATED]
    versions = list(FileVersion.objects.filter(file__path="one.md").order_by("id"))
    assert [version.id & 0xFFFFFFFFFF for version in versions] == [2, 3, 4, 5]
    assert [version.parent for version in versions] == [None, *(version.id for version in versions[:-1])]
    assert File.objects.get(path="one.md").head == versions[-1].id


def test_a_change_that_cannot_be_made_takes_no_other_with_it(writers: Writers) -> None:
    forgotten = Content(b"s" * 32, b"m" * 16, 70_000, object_key="never/announced")

    futures = met(
        writers,
        lambda: [
            writers.begin("a.md", name="a"),
            writers.begin("large.bin", name="b", content=forgotten),
            writers.begin("c.md", name="c"),
        ],
    )

    assert (futures[0].result().status, futures[2].result().status) == (CREATED, CREATED)
    with pytest.raises(Unavailable, match="took too long"):
        futures[1].result()
    assert set(transactions()) == {"first.md", "a.md", "c.md"}
    assert group_commit._queues == {}


def test_a_lost_connection_fails_all_who_shared_it_and_nobody_after_them(writers: Writers) -> None:
    with somebody_is_writing(writers.workspace):
        first = writers.begin("first.md", name="first")
        wait_until(lambda: writers.workspace.pk in group_commit._queues)
        together = [writers.begin(f"{name}.md", name=name) for name in "abc"]
        wait_until(lambda: writers.waiting() == 3)
        wait_until(end_those_who_wait_for_the_row)
        with pytest.raises(OperationalError):
            first.result()
        wait_until(lambda: writers.waiting() == 0)
        wait_until(end_those_who_wait_for_the_row)

    for future in together:
        with pytest.raises(OperationalError, match="terminating connection"):
            future.result()
    assert transactions() == {}
    assert writers.begin("later.md", name="later").result().version == 1


def end_those_who_wait_for_the_row() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND query LIKE '%files_apply_%' AND datname = current_database()"
        )
        (ended,) = cursor.fetchone()
    return int(ended)


def test_a_crowd_goes_in_groups_of_a_bounded_size(writers: Writers) -> None:
    crowd = group_commit.GROUP_MAX + 3

    futures = met(writers, lambda: [writers.begin(f"{number}.md", name=str(number)) for number in range(crowd)])

    assert [future.result().status for future in futures] == [CREATED] * crowd
    written_in = transactions()
    sizes = [list(written_in.values()).count(one) for one in set(written_in.values())]
    assert sorted(sizes) == [1, 3, group_commit.GROUP_MAX]


def test_inside_a_transaction_a_writer_waits_for_nobody(writers: Writers) -> None:
    with somebody_is_writing(writers.workspace):
        first = writers.begin("first.md", name="first")
        wait_until(lambda: writers.workspace.pk in group_commit._queues)

        inside = apply_change(
            writers.workspace, ChangeItem("inside.md", ANY, Content.of_bytes(b"x"), "text/plain"), actor=Actor("inside")
        )

    assert (inside.version, first.result().version) == (1, 2)
