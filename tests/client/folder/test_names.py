"""Names with a mark in them, and names that no hub takes."""

import pytest

from memoryhub.client.folder.names import marked, refusal
from tests.client.folder.machines import Machine
from tests.live import LiveHub, LiveWorkspace

MARK = " (conflict 2026-05-04 03.02 from bert)"


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("note.md", f"note{MARK}.md"),
        ("README", f"README{MARK}"),
        (".env", f".env{MARK}"),
        ("a.tar.gz", f"a.tar{MARK}.gz"),
        (f"README{MARK}", f"README{MARK}{MARK}"),
        ("1. First things", f"1. First things{MARK}"),
        ("ends with a dot.", f"ends with a dot.{MARK}"),
        ("x" * 252 + ".md", "x" * 214 + f"{MARK}.md"),
        ("é" * 126 + ".md", "é" * 107 + f"{MARK}.md"),
        ("x." + "y" * 253, "x." + "y" * 215 + MARK),
    ],
)
def test_a_mark_stands_before_the_suffix_and_the_name_is_not_too_long(name: str, result: str) -> None:
    assert marked(name, MARK) == result
    assert len(result.encode()) <= 255


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("deep/täglich €.md", None),
        ("a\\b", "its name has a backslash"),
        ("a\nb", "its name has a control character"),
        ("a\u200db", None),
        ("é" * 128, "its name is too long"),
        ("/".join(["a" * 255] * 4), None),
        ("/".join(["a" * 255] * 4) + "/b", "its name is too long"),
    ],
)
def test_what_no_hub_takes_is_known_beforehand(path: str, reason: str | None) -> None:
    assert refusal(path) == reason


def keep_portable(workspace: LiveWorkspace, live_hub: LiveHub) -> None:
    """From here on the workspace refuses names that clash on Windows or macOS."""
    token = live_hub.command("token", "issue", workspace.slug, "--scope", "workspace:admin").stdout.strip()
    with LiveWorkspace(workspace.hub_url, workspace.slug, token).client() as owner:
        assert owner.patch(workspace.url, json={"portable_names": True}).status_code == 200


def test_a_name_that_only_this_workspace_refuses_is_told_and_left_alone(
    machines: tuple[Machine, Machine], workspace: LiveWorkspace, live_hub: LiveHub
) -> None:
    a, _ = machines
    keep_portable(workspace, live_hub)
    a.write("what?.md", "x")
    a.write("note.md", "x")

    report = a.sync()

    assert (report.is_whole, report.counts) == (True, {"uploaded": 1, "skipped": 1})
    assert report.problems["what?.md"].startswith("the hub cannot have it: Windows cannot hold this name")


def test_a_name_that_another_file_has_just_left_is_free(
    machines: tuple[Machine, Machine], workspace: LiveWorkspace, live_hub: LiveHub
) -> None:
    a, _ = machines
    keep_portable(workspace, live_hub)
    a.write("note.md", "x")
    a.sync()
    (a.root / "note.md").rename(a.root / "Note.md")

    report = a.sync()

    assert (report.is_whole, report.counts) == (True, {"uploaded": 1, "deleted_there": 1})
