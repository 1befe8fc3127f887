"""A machine whose token may read the workspace and not write it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.folder.machines import Machine
from tests.fakes.faulty_proxy import FaultyProxy
from tests.live import LiveHub, LiveWorkspace


@pytest.fixture
def reader(tmp_path: Path, workspace: LiveWorkspace, live_hub: LiveHub, proxy: FaultyProxy) -> Iterator[Machine]:
    token = live_hub.workspace(workspace.slug, scopes=["files:read"])
    machine = Machine(tmp_path / "reader", token, "reader", url=proxy.url)
    yield machine
    machine.client.close()


@pytest.mark.parametrize("size_bytes", [10, 2_000_000])
def test_it_gets_what_others_write_and_delete_and_is_told_what_it_cannot_send(
    machines: tuple[Machine, Machine], reader: Machine, proxy: FaultyProxy, size_bytes: int
) -> None:
    a, _ = machines
    for name in ("changed", "deleted", "kept"):
        a.write(name, name)
    a.sync()
    reader.sync()
    a.write("changed", "anew")
    a.remove("deleted")
    a.sync()
    reader.remove("kept")
    reader.write("mine", "x" * size_bytes)
    reader.write("mine too", "x" * size_bytes)

    proxy.seen.clear()
    report = reader.sync()

    assert report.counts == {"downloaded": 1, "deleted_here": 1, "failed": 3}
    assert set(report.problems) == {"kept", "mine", "mine too"}
    assert len(set(report.problems.values())) == 1
    # One try tells it all; where its answer was lost, it was the same try again.
    assert len({request for request in proxy.seen if "changes" not in request and ":get" not in request}) == 1
    assert set(reader.files) == {"changed", "mine", "mine too"}
    assert {file.path for file in a.client.index().files} == {"changed", "kept"}
