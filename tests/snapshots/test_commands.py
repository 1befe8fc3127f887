"""`memoryhub snapshot` and `memoryhub restore`, on a running hub."""

import json
from pathlib import Path

import pytest

from tests.live import LiveHub, LiveWorkspace

FILES = {"notes/a.md": b"one", "b.md": b"two"}


@pytest.fixture
def workspace(live_hub: LiveHub) -> LiveWorkspace:
    made = live_hub.workspace()
    with made.client() as client:
        for path, data in FILES.items():
            client.put(f"/files/{path}", content=data, headers={"If-None-Match": "*"}).raise_for_status()
    return made


def test_a_workspace_goes_back_to_a_snapshot(live_hub: LiveHub, workspace: LiveWorkspace) -> None:
    slug = workspace.slug
    made = live_hub.command("snapshot", "create", slug, "--name", "first", "-m", "why", "--tag", "one")
    with workspace.client() as client:
        client.put("/files/b.md?overwrite=true", content=b"other").raise_for_status()
        client.put("/files/new.md", content=b"new", headers={"If-None-Match": "*"}).raise_for_status()

        listed = json.loads(live_hub.command("snapshot", "list", slug, "--json").stdout)
        shown = live_hub.command("snapshot", "show", slug, "first", "--path", "notes")
        compared = live_hub.command("snapshot", "diff", slug, "first")
        lines = live_hub.command("snapshot", "diff", slug, "first", "--lines", "--path", "b.md")
        planned = live_hub.command("restore", slug, "first", "--dry-run", "--delete")
        unchanged = client.get("/files/b.md").content
        restored = live_hub.command("restore", slug, "first", "--yes")

        assert made.stdout == "first\n"
        assert [(row["name"], row["files"], row["tags"], row["message"]) for row in listed] == [
            ("first", 2, ["one"], "why")
        ]
        assert shown.stdout.split() == ["3", "1", "notes/a.md"]
        assert compared.stdout == "changed  b.md\nadded    new.md\n1 added, 1 changed\n"
        assert lines.stdout.startswith("changed  b.md\n--- b.md (first)\n+++ b.md (now)\n@@ -1 +1 @@\n-two\n")
        assert planned.stdout == "write    b.md\ndelete   new.md\n1 to write, 1 to delete.\n"
        assert unchanged == b"other"
        assert restored.stdout.startswith("1 files written, 0 deleted. The state before is safety_")
        assert client.get("/files/b.md").content == b"two"


def test_a_restore_asks_and_a_no_changes_nothing(live_hub: LiveHub, workspace: LiveWorkspace) -> None:
    live_hub.command("snapshot", "create", workspace.slug, "--name", "first")
    with workspace.client() as client:
        client.put("/files/b.md?overwrite=true", content=b"other").raise_for_status()

        answer = live_hub.command("restore", workspace.slug, "first")

        assert answer.returncode != 0
        assert client.get("/files/b.md").content == b"other"


def test_a_pinned_snapshot_stays_until_it_is_let_go(live_hub: LiveHub, workspace: LiveWorkspace) -> None:
    slug = workspace.slug
    live_hub.command("snapshot", "create", slug, "--name", "first")
    live_hub.command("snapshot", "pin", slug, "first")

    refused = live_hub.command("snapshot", "delete", slug, "first")
    live_hub.command("snapshot", "pin", slug, "first", "--off")
    gone = live_hub.command("snapshot", "delete", slug, "first")

    assert (refused.returncode, refused.stderr) == (1, "Unpin it first.\n")
    assert gone.returncode == 0
    assert json.loads(live_hub.command("snapshot", "list", slug, "--json").stdout) == []


@pytest.mark.parametrize("command", [("snapshot", "show"), ("snapshot", "diff"), ("snapshot", "delete"), ("restore",)])
def test_a_snapshot_that_is_not_there_is_told(
    live_hub: LiveHub, workspace: LiveWorkspace, command: tuple[str, ...]
) -> None:
    options = ("--yes",) if command == ("restore",) else ()

    answer = live_hub.command(*command, workspace.slug, "never", *options)

    assert (answer.returncode, answer.stderr) == (1, "There is no snapshot of this name.\n")


def test_a_single_file_goes_back_and_a_misspelt_one_is_told(live_hub: LiveHub, workspace: LiveWorkspace) -> None:
    slug = workspace.slug
    live_hub.command("snapshot", "create", slug, "--name", "first")
    with workspace.client() as client:
        for path in FILES:
            client.put(f"/files/{path}?overwrite=true", content=b"other").raise_for_status()

        planned = live_hub.command("restore", slug, "first", "--path", "notes/a.md", "--dry-run")
        done = live_hub.command("restore", slug, "first", "--path", "notes/a.md", "--yes")
        misspelt = live_hub.command("restore", slug, "first", "--path", "nots", "--yes")

        assert planned.stdout == "write    notes/a.md\n1 to write, 0 to delete.\n"
        assert done.stdout.startswith("1 files written, 0 deleted.")
        assert (misspelt.returncode, misspelt.stderr) == (1, "Nothing lies under this path there.\n")
        assert [client.get(f"/files/{path}").content for path in FILES] == [b"one", b"other"]


def test_another_workspace_is_made_only_when_something_goes_into_it(
    live_hub: LiveHub, workspace: LiveWorkspace
) -> None:
    slug, fresh = workspace.slug, f"{workspace.slug}-fresh"
    live_hub.command("snapshot", "create", slug, "--name", "first")

    planned = live_hub.command("restore", slug, "first", "--into", fresh, "--dry-run")
    refused = live_hub.command("restore", slug, "first", "--into", fresh)
    nothing_yet = fresh in live_hub.command("workspace", "list").stdout
    done = live_hub.command("restore", slug, "first", "--into", fresh, "--yes")

    assert planned.stdout == "write    b.md\nwrite    notes/a.md\n2 to write, 0 to delete.\n"
    assert refused.returncode != 0
    assert not nothing_yet
    assert done.stdout.startswith("2 files written, 0 deleted.")
    assert fresh in live_hub.command("workspace", "list").stdout


@pytest.fixture
def sent(live_hub: LiveHub, workspace: LiveWorkspace, tmp_path: Path) -> str:
    """The name of a target that holds a copy of the workspace, which has gone on since."""
    name = f"shelf-{workspace.slug}"
    live_hub.command("target", "add", name, "--kind", "directory", "--path", str(tmp_path / "shelf"))
    live_hub.command("snapshot", "create", workspace.slug, "--name", "first")
    uploaded = live_hub.command("snapshot", "upload", workspace.slug, "first", "--target", name)
    assert uploaded.returncode == 0, uploaded.stderr
    with workspace.client() as client:
        client.put("/files/b.md?overwrite=true", content=b"other").raise_for_status()
        client.put("/files/new.md", content=b"new", headers={"If-None-Match": "*"}).raise_for_status()
        client.delete("/files/notes/a.md", headers={"If-Match": "*"}).raise_for_status()
    return name


def test_of_the_newest_copy_only_what_was_asked_for_is_brought_back(
    live_hub: LiveHub, workspace: LiveWorkspace, sent: str
) -> None:
    done = live_hub.command("restore", workspace.slug, "latest", "--from-target", sent, "--path", "notes", "--yes")

    with workspace.client() as client:
        found = [client.get(f"/files/{path}").content for path in ("notes/a.md", "b.md", "new.md")]
    assert done.stdout.startswith("1 files written, 0 deleted."), done.stderr
    assert found == [b"one", b"other", b"new"]


def test_the_newest_copy_goes_into_another_workspace(
    live_hub: LiveHub, workspace: LiveWorkspace, sent: str, tmp_path: Path
) -> None:
    fresh = f"{workspace.slug}-fresh"

    planned = live_hub.command("restore", workspace.slug, "--from-target", sent, "--into", fresh, "--dry-run")
    done = live_hub.command("restore", workspace.slug, "latest", "--from-target", sent, "--into", fresh, "--yes")
    extracted = live_hub.command(
        "restore", workspace.slug, "latest", "--from-target", sent, "--to", str(tmp_path / "out")
    )

    assert planned.stdout.endswith("2 to write, 0 to delete.\n"), planned.stderr
    assert done.stdout.startswith("2 files written, 0 deleted."), done.stderr
    assert extracted.stdout == "2 files, 6 bytes.\n"
    assert (tmp_path / "out/notes/a.md").read_bytes() == b"one"


def test_a_workspace_that_has_gone_on_is_not_brought_back_as_a_whole_without_a_word(
    live_hub: LiveHub, workspace: LiveWorkspace, sent: str
) -> None:
    planned = live_hub.command("restore", workspace.slug, "latest", "--from-target", sent, "--dry-run")
    done = live_hub.command("restore", workspace.slug, "latest", "--from-target", sent, "--yes")

    assert planned.stdout == done.stdout == "The workspace has all that the newest copy has; nothing was changed.\n"


def test_one_damaged_copy_holds_up_no_other_workspace(live_hub: LiveHub, tmp_path: Path) -> None:
    shelf, name = tmp_path / "shelf", f"shelf-{live_hub.workspace().slug}"
    live_hub.command("target", "add", name, "--kind", "directory", "--path", str(shelf))
    workspaces = [live_hub.workspace() for _ in range(2)]
    for each in workspaces:
        with each.client() as client:
            client.put("/files/a.md", content=b"one", headers={"If-None-Match": "*"}).raise_for_status()
        live_hub.command("snapshot", "create", each.slug, "--name", "first")
        live_hub.command("snapshot", "upload", each.slug, "first", "--target", name)
    damaged, whole = (f"lost-{number}-{each.slug}" for number, each in enumerate(workspaces))
    for lost, each in zip((damaged, whole), workspaces, strict=True):
        (shelf / each.slug).rename(shelf / lost)
    for pack in (shelf / damaged / ".memoryhub/packs").rglob("*"):
        if pack.is_file():
            pack.unlink()

    done = live_hub.command("restore", "--from-target", name, "--all")

    assert done.returncode == 1
    assert f"{damaged}: Restoring first in {name} did not succeed: A pack is missing in the target." in done.stdout
    assert f"{whole}: 1 files written, 0 deleted." in done.stdout
