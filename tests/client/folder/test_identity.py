"""Which hub a folder belongs to, and what it believes of its past."""

import sqlite3
from pathlib import Path

import pytest

from memoryhub.client import Refused
from memoryhub.client.folder.decisions import Step
from memoryhub.client.folder.errors import AnotherHub, FolderError
from memoryhub.client.folder.status import status_of
from tests.client.folder.machines import Machine
from tests.client.folder.test_sync import in_step
from tests.live import LiveHub, LiveWorkspace

Both = tuple[Machine, Machine]


def test_a_plan_binds_the_folder_to_nothing(machines: Both) -> None:
    a, _ = machines
    a.client.put("wrong/x.md", b"x", if_version=0)
    a.write("note.md", "x")

    planned = a.folder(prefix="wrong").plan().steps

    assert planned == [(Step.UPLOAD, "note.md"), (Step.DOWNLOAD, "x.md")]
    assert a.sync(prefix="right").counts == {"uploaded": 1}


def test_a_refused_prefix_binds_the_folder_to_nothing(machines: Both) -> None:
    a, _ = machines
    a.write("note.md", "x")

    with pytest.raises(Refused):
        a.sync(prefix="../up")

    assert not (a.root / ".memoryhub").exists()
    assert a.sync().counts == {"uploaded": 1}


def test_a_plan_tells_what_could_not_be_done(machines: Both) -> None:
    a, _ = machines
    (a.root / "link").symlink_to("nowhere")
    a.write("back\\slash", "x")

    assert a.folder().plan().steps == []
    assert sorted(a.told) == [
        ("skipped", "back\\slash", "the hub cannot have it: its name has a backslash"),
        ("skipped", "link", "it is a symbolic link"),
    ]


def test_another_hub_at_the_old_address_is_noticed(machines: Both, live_hub: LiveHub) -> None:
    a, _ = machines
    a.write("note.md", "secret of the first")
    a.sync()
    other = live_hub.workspace()
    stranger = Machine(a.root, other, "anna")
    with sqlite3.connect(a.root / ".memoryhub" / "state.sqlite3") as state:
        state.execute("UPDATE about SET value = ? WHERE name = 'address'", (f"{other.hub_url} {other.slug}",))
    state.close()

    with pytest.raises(AnotherHub):
        stranger.sync()

    assert stranger.client.index().files == []
    stranger.client.close()


def purged(workspace: LiveWorkspace, live_hub: LiveHub, path: str) -> None:
    """Takes a path out of the hub's history, so that older cursors no longer tell the whole story."""
    token = live_hub.command("token", "issue", workspace.slug, "--scope", "workspace:admin", "--scope", "files:read")
    with LiveWorkspace(workspace.hub_url, workspace.slug, token.stdout.strip()).client() as owner:
        answer = owner.post("/files:purge", json={"path": path, "confirm": path})
    assert answer.status_code == 200, answer.text


def test_where_the_feed_no_longer_reaches_back_nothing_is_deleted(
    machines: Both, workspace: LiveWorkspace, live_hub: LiveHub
) -> None:
    a, b = machines
    for name in ("kept", "gone-here", "gone-there", "purged"):
        a.write(name, name)
    in_step(a, b)
    b.remove("gone-there")
    b.remove("purged")
    b.sync()
    purged(workspace, live_hub, "purged")
    a.remove("gone-here")

    report = a.sync()

    assert report.counts == {"downloaded": 1, "uploaded": 2}
    assert set(a.files) == {"kept", "gone-here", "gone-there", "purged"}
    a.remove("kept")
    assert a.sync().counts == {"deleted_there": 1}


def test_until_everything_was_compared_nothing_is_deleted(machines: Both, live_hub: LiveHub) -> None:
    a, b = machines
    a.write("note.md", "x")
    in_step(a, b)
    live_hub.command("epoch", "renew")
    b.client.put("hidden/there.md", b"x", if_version=0)
    (a.root / "hidden").symlink_to("nowhere")
    a.write("back\\slash", "the hub cannot have it")
    first = a.sync()
    a.remove("note.md")

    second = a.sync()

    assert (first.is_whole, second.counts["downloaded"]) == (False, 1)
    assert a.read("note.md") == "x"
    (a.root / "hidden").unlink()
    assert a.sync().is_whole
    a.remove("note.md")
    assert a.sync().counts["deleted_there"] == 1


def test_what_another_folder_remembers_is_not_taken_for_this_ones(machines: Both) -> None:
    a, b = machines
    for number in range(4):
        a.write(f"{number}", "x")
    a.sync()
    (b.root / ".memoryhub").symlink_to(a.root / ".memoryhub")

    for use in (b.sync, b.folder().plan, lambda: status_of(b.root)):
        with pytest.raises(FolderError, match="is a symbolic link"):
            use()

    assert len(a.client.index().files) == 4
    (b.root / ".memoryhub").unlink()
    (b.root / ".memoryhub").mkdir()
    (b.root / ".memoryhub" / "state.sqlite3").symlink_to(a.root / ".memoryhub" / "state.sqlite3")
    with pytest.raises(FolderError, match="is a symbolic link"):
        b.sync()
    assert len(a.client.index().files) == 4


def test_a_file_where_the_sync_keeps_its_own_things_is_a_sentence(machines: Both) -> None:
    a, _ = machines
    a.write(".memoryhub", "mine")

    with pytest.raises(FolderError, match="is no folder"):
        a.sync()

    assert (a.root / ".memoryhub").read_text() == "mine"


def test_a_damaged_state_is_put_aside_and_the_next_run_deletes_nothing(machines: Both) -> None:
    a, b = machines
    for name in ("kept", "gone-here"):
        a.write(name, name)
    in_step(a, b)
    a.forget()
    state = a.root / ".memoryhub" / "state.sqlite3"
    state.write_bytes(b"garbage, and not a little of it")
    a.remove("gone-here")

    with pytest.raises(FolderError, match="was damaged"):
        a.sync()

    assert Path(f"{state}.damaged").read_bytes() == b"garbage, and not a little of it"
    assert in_step(a, b) == {"kept": "kept", "gone-here": "gone-here"}
