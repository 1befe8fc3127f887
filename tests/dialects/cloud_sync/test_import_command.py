"""`memoryhub import memories-backups` beside a running hub: where it finds backups, what it tells, and being killed."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests import services
from tests.conftest import Bucket
from tests.dialects.cloud_sync.original import Original
from tests.live import LiveHub, LiveWorkspace

COMMAND = ("import", "memories-backups")


@dataclass(frozen=True)
class Moving:
    """Backups of the original, and an empty workspace."""

    hub: LiveHub
    workspace: LiveWorkspace
    original: Original

    def arguments(self, source: str | None = None) -> list[str]:
        told = [*COMMAND, source or str(self.original.directory), "--workspace", self.workspace.slug]
        return [*told, "--data", str(self.hub.data)]

    def run(self, *more: str, source: str | None = None, **variables: str) -> "subprocess.CompletedProcess[str]":
        """The command on the workspace; `variables` are added to the hub's environment."""
        return services.run_hub_command([*self.arguments(source), *more], self.hub.environment | variables)

    def run_and_kill(self, *, after_backups: int) -> None:
        """Kills the command once it has told so many backups."""
        process = subprocess.Popen(
            [sys.executable, "-m", "memoryhub", *self.arguments()],
            env=self.hub.environment,
            cwd=services.ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        backups = (line for line in process.stdout if json.loads(line)["event"] == "backup")
        assert len(list(islice(backups, after_backups))) == after_backups
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()

    def paths(self) -> list[str]:
        with self.workspace.client() as client:
            _columns, *rows = client.get("/index").json()["files"]
        return [row[0] for row in rows]

    def snapshots(self) -> list[str]:
        """Their names, oldest first."""
        listed = self.hub.command("snapshot", "list", self.workspace.slug, "--json")
        return [row["name"] for row in reversed(json.loads(listed.stdout))]


def events(finished: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    return [json.loads(line) for line in finished.stdout.splitlines()]


@pytest.fixture
def moving(live_hub: LiveHub, tmp_path: Path) -> Moving:
    original = Original(tmp_path / "backups")
    original.add("Ada prefers tea.", "people/ada")
    return Moving(live_hub, live_hub.workspace(), original)


def test_a_folder_of_backups_is_enough(moving: Moving) -> None:
    names = [moving.original.backup("pre_add"), moving.original.backup()]

    done = moving.run()

    assert (done.returncode, done.stderr) == (0, "")
    listed, *backups, finished = events(done)
    assert listed == {"event": "listed", "backups": 2}
    assert [(line["event"], line["outcome"], line["key"], line["memories"]) for line in backups] == [
        ("backup", "imported", name, 1) for name in names
    ]
    assert (finished["event"], finished["is_whole"], finished["counts"]) == ("finished", True, {"imported": 2})
    assert moving.paths() == ["memories/config.json", "memories/people/ada/0.md"]
    assert moving.snapshots() == names


@pytest.mark.parametrize(
    "prefix", ["CLOUD_SYNC_ACCESS_KEY CLOUD_SYNC_SECRET_KEY", "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY"]
)
def test_a_bucket_is_read_with_the_keys_of_the_environment(moving: Moving, s3_server: Bucket, prefix: str) -> None:
    name = moving.original.backup()
    moving.original.upload(s3_server)
    names = prefix.split()
    keys = {names[0]: s3_server.access_key, names[1]: s3_server.secret_key}

    done = moving.run("--endpoint-url", s3_server.endpoint_url, source=f"s3://{s3_server.name}/memories/", **keys)

    assert (done.returncode, done.stderr) == (0, "")
    assert [line["key"] for line in events(done)[1:-1]] == [name]
    assert moving.snapshots() == [name]


def test_a_dry_run_writes_nothing_but_the_report(moving: Moving, tmp_path: Path) -> None:
    name = moving.original.backup()
    moving.original.write("manual_20260101_000000", None, b"{}")

    planned = moving.run("--dry-run", "--report", str(tmp_path / "report"), "--folder", "old")

    assert (planned.returncode, planned.stderr) == (1, "Not everything would be here: the lines say why for 1.\n")
    rows = [json.loads(line) for line in (tmp_path / "report").read_text().splitlines()]
    assert [(row["key"], row["outcome"], row["reason"], row["made_at"]) for row in rows] == [
        ("manual_20260101_000000", "damaged", "incomplete", "2026-01-01T00:00:00Z"),
        (name, "imported", "", "2026-02-14T12:00:00Z"),
    ]
    assert [line["event"] for line in events(planned)] == ["listed", "planned", "planned", "finished"]
    assert moving.paths() == []
    assert moving.snapshots() == []


@pytest.mark.parametrize(
    ("source", "more", "code", "sentence"),
    [
        ("/no/such/directory", [], 2, "/no/such/directory is no directory, and no s3://bucket/prefix.\n"),
        ("gs://bucket", [], 2, "gs://bucket is no s3://bucket/prefix.\n"),
        (None, [], 2, "There are no folders in the source, so no backups.\n"),
        (None, ["--folder", "/"], 2, "--folder names a folder of the workspace, with at most 200 characters.\n"),
        (None, ["--folder", "a/../b"], 1, "No segment of a path is . or ..\n"),
        (
            None,
            ["--workspace", "no-such"],
            1,
            "There is no workspace of this name; `memoryhub workspace list` shows them.\n",
        ),
        (None, ["--report", "/no/such/report"], 2, "/no/such/report cannot be written (FileNotFoundError).\n"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    moving: Moving, source: str | None, more: list[str], code: int, sentence: str
) -> None:
    moving.original.directory.mkdir()

    refused = moving.run(*more, source=source)

    assert (refused.returncode, refused.stdout, refused.stderr) == (code, "", sentence)
    assert moving.paths() == []


def test_a_bucket_that_is_not_there_is_a_sentence(moving: Moving, s3_server: Bucket) -> None:
    keys = {"CLOUD_SYNC_ACCESS_KEY": "testing", "CLOUD_SYNC_SECRET_KEY": "testing"}
    refused = moving.run("--endpoint-url", s3_server.endpoint_url, source="s3://no-such-bucket/memories", **keys)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "The bucket does not exist.\n"


def test_a_killed_import_goes_on_where_it_was(moving: Moving) -> None:
    names = []
    for number in range(12):
        moving.original.add(f"Memory {number}.")
        names.append(moving.original.backup())

    moving.run_and_kill(after_backups=4)
    moving.run_and_kill(after_backups=8)
    finished = moving.run()

    counts = events(finished)[-1]["counts"]
    assert finished.returncode == 0
    assert counts["present"] >= 8
    assert counts["present"] + counts.get("imported", 0) == 12
    assert moving.snapshots() == names
    assert len(moving.paths()) == 14
    assert moving.hub.command("fsck").returncode == 0
