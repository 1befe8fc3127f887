"""`memoryhub import silica-bucket` beside a running hub: where it finds the bucket, what it tells, and being killed."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import services
from tests.conftest import Bucket
from tests.dialects.memory_proxy.original import Original
from tests.fakes.s3_relay import S3Relay
from tests.live import LiveHub, LiveWorkspace

NS = "personas/default/memory"
COMMAND = ("import", "silica-bucket")


@dataclass(frozen=True)
class Moving:
    """A bucket of the original, its settings file, and an empty workspace."""

    hub: LiveHub
    workspace: LiveWorkspace
    original: Original
    settings: Path

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """The command on the workspace; `variables` are added to the hub's environment."""
        told = [*COMMAND, self.workspace.slug, "--data", str(self.hub.data), *arguments]
        return services.run_hub_command(told, self.hub.environment | variables)

    def run_with_settings(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.run("--settings", str(self.settings), *arguments)

    def run_at_a_terminal(self, *arguments: str) -> list[str]:
        """The lines that a person sees, without colours and what a moving line leaves behind."""
        command = [sys.executable, "-m", "memoryhub", *COMMAND, self.workspace.slug, "--data", str(self.hub.data)]
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(services.ROOT)
            os.execve(sys.executable, [*command, *arguments], self.hub.environment | {"TERM": "xterm"})
        said = b""
        with suppress(OSError):  # The terminal is gone with its last process.
            while data := os.read(terminal, 65536):
                said += data
        os.close(terminal)
        os.waitpid(pid, 0)
        plain = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "\r", said.decode())
        return [line.strip() for line in re.split(r"[\r\n]+", plain) if line.strip()]

    def run_and_kill(self, *, after_files: int) -> None:
        """Kills the command once it has told so many files."""
        told = [*COMMAND, self.workspace.slug, "--data", str(self.hub.data), "--settings", str(self.settings)]
        process = subprocess.Popen(
            [sys.executable, "-m", "memoryhub", *told, "--threads", "2"],
            env=self.hub.environment,
            cwd=services.ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines = (json.loads(line) for line in process.stdout)
        files = (line for line in lines if line.get("path"))
        assert len(list(islice(files, after_files))) == after_files
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()

    def index(self) -> dict[str, int]:
        """Paths and versions of the workspace's live files."""
        with self.workspace.client() as client:
            _columns, *rows = client.get("/index").json()["files"]
        return {row[0]: row[1] for row in rows}

    def history(self, path: str) -> list[dict[str, Any]]:
        with self.workspace.client() as client:
            items: list[dict[str, Any]] = client.get(f"/history/{path}").json()["items"]
        return items


def events(finished: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    return [json.loads(line) for line in finished.stdout.splitlines()]


@pytest.fixture
def moving(live_hub: LiveHub, s3_server: Bucket, tmp_path: Path) -> Moving:
    settings = tmp_path / "old.env"
    settings.write_text(
        "# the old service\n"
        f"AWS_ACCESS_KEY_ID={s3_server.access_key}\n"
        f"AWS_SECRET_ACCESS_KEY='{s3_server.secret_key}'\n"
        f"S3_BUCKET={s3_server.name}\n"
        f"S3_ENDPOINT_URL={s3_server.endpoint_url}\n"
        "HEARE_AUTH_URL=https://auth.example\n"
    )
    return Moving(live_hub, live_hub.workspace(), Original(s3_server), settings)


def test_the_old_settings_file_is_enough(moving: Moving) -> None:
    moving.original.put(NS, "a.md", b"a")
    moving.original.put(NS, "b.md", b"b")

    done = moving.run_with_settings()

    assert (done.returncode, done.stderr) == (0, "")
    listed, *objects, finished = events(done)
    assert listed == {"event": "listed", "objects": 3}
    assert [(line["event"], line["outcome"], line["path"], line["hub_version"]) for line in objects] == [
        ("object", "ignored", None, None),
        ("object", "imported", f"{NS}/a.md", 1),
        ("object", "imported", f"{NS}/b.md", 2),
    ]
    assert (finished["event"], finished["is_whole"]) == ("finished", True)
    assert finished["counts"] == {"ignored": 1, "imported": 2}
    assert moving.index() == {f"{NS}/a.md": 1, f"{NS}/b.md": 2}


def test_options_win_over_the_settings_file_and_keys_may_come_from_the_environment(moving: Moving) -> None:
    seed = Original(moving.original.bucket, prefix="elsewhere", is_seed=True)
    seed.put("", "a.md", b"a")
    bucket = moving.original.bucket
    where = ["--bucket", bucket.name, "--endpoint-url", bucket.endpoint_url, "--layout", "seed"]

    by_options = moving.run_with_settings("--bucket", bucket.name, "--layout", "seed", "--prefix", "elsewhere")
    by_environment = moving.run(
        *where, "--prefix", "elsewhere", SILICA_AWS_ACCESS_KEY_ID="testing", SILICA_AWS_SECRET_ACCESS_KEY="testing"
    )

    assert (by_options.returncode, by_options.stderr) == (0, "")
    assert (by_environment.returncode, by_environment.stderr) == (0, "")
    assert events(by_environment)[-1]["counts"] == {"ignored": 1, "present": 1}
    assert moving.index() == {"a.md": 1}


def test_the_keys_of_the_hub_are_never_used(moving: Moving) -> None:
    moving.original.put(NS, "a.md", b"a")
    bucket = moving.original.bucket
    where = ["--bucket", bucket.name, "--endpoint-url", bucket.endpoint_url]

    refused = moving.run(*where, AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing")

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "The old service's AWS_ACCESS_KEY_ID is not known: give --settings with it, or SILICA_AWS_ACCESS_KEY_ID in "
        "the environment.\n"
    )
    assert moving.index() == {}


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--bucket", "no-such-bucket"], "There is no bucket no-such-bucket at http://127.0.0.1:"),
        (["--bucket", "Not A Bucket!"], "The bucket Not A Bucket! at http://127.0.0.1:"),
        (["--bucket", ""], "The old service's S3_BUCKET is not known: give --settings with it, or --bucket."),
        (["--endpoint-url", "http://127.0.0.1:9"], "The bucket bucket-"),
        (["--endpoint-url", "nowhere"], "The old bucket's address cannot be used: "),
        (["--prefix", "nothing-here"], "There is nothing in the bucket bucket-"),
        (["--settings", "/no/such/file"], "/no/such/file cannot be read (FileNotFoundError)."),
        (["--layout", "seed", "--namespace", "x"], "--namespace names a folder, and only the current layout"),
        (["--report", "/no/such/folder/report"], "/no/such/folder/report cannot be written (FileNotFoundError)."),
    ],
)
def test_what_cannot_be_read_is_a_sentence_and_exit_code_2(moving: Moving, arguments: list[str], sentence: str) -> None:
    moving.original.put(NS, "a.md", b"a")

    refused = moving.run_with_settings(*arguments)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(sentence)
    assert refused.stderr.count("\n") == 1
    assert moving.index() == {}


def test_wrong_keys_are_a_sentence_and_exit_code_2(moving: Moving) -> None:
    moving.original.put(NS, "a.md", b"a")

    with S3Relay(moving.original.bucket.endpoint_url) as relay:
        relay.refuse_after(0, 403)
        refused = moving.run_with_settings("--endpoint-url", relay.url)

    name = moving.original.bucket.name
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"{relay.url} does not let these keys into the bucket {name} (AccessDenied).\n"
    assert moving.index() == {}


def test_an_unknown_workspace_is_a_sentence_and_exit_code_1(moving: Moving) -> None:
    refused = services.run_hub_command(
        [*COMMAND, "no-such", "--settings", str(moving.settings), "--data", str(moving.hub.data)],
        moving.hub.environment,
    )

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("There is no workspace of this name")


def test_a_dry_run_writes_nothing_but_the_report(moving: Moving, tmp_path: Path) -> None:
    moving.original.put(NS, "a.md", b"a")
    moving.original.store(f"{NS}/foreign", b"?", metadata={})

    planned = moving.run_with_settings("--dry-run", "--report", str(tmp_path / "report"))

    assert (planned.returncode, planned.stderr) == (1, "Not everything would be here: the lines say why for 1.\n")
    rows = [json.loads(line) for line in (tmp_path / "report").read_text().splitlines()]
    assert {row["key"].removeprefix(moving.original.key("")): (row["outcome"], row["reason"]) for row in rows} == {
        f"{NS}/.sync-index.json": ("ignored", "index"),
        f"{NS}/a.md": ("imported", ""),
        f"{NS}/foreign": ("damaged", "bad_metadata"),
    }
    assert [line["event"] for line in events(planned)] == ["listed", "planned", "planned", "planned", "finished"]
    assert moving.index() == {}


def test_a_person_gets_a_line_for_each_problem_a_table_and_a_sentence(moving: Moving) -> None:
    moving.original.put(NS, "a.md", b"four")
    moving.original.store(f"{NS}/\x7f[red]foreign", b"?", metadata={})

    said = moving.run_at_a_terminal("--settings", str(moving.settings))

    key = moving.original.key(f"{NS}/\ufffd[red]foreign")
    assert f"refused: {key} (A path holds no control characters.)" in said
    assert [line.split()[:3] for line in said if line.startswith("imported")] == [["imported", "1", "4"]]
    assert said[-1] == "Not everything is here: the lines say why for 1."


def test_the_old_settings_may_come_through_a_pipe(moving: Moving) -> None:
    moving.original.put(NS, "a.md", b"a")
    told = [*COMMAND, moving.workspace.slug, "--data", str(moving.hub.data), "--settings", "/dev/stdin"]

    done = subprocess.run(
        [sys.executable, "-m", "memoryhub", *told],
        env=moving.hub.environment,
        cwd=services.ROOT,
        input=moving.settings.read_text(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert moving.index() == {f"{NS}/a.md": 1}


def test_a_killed_import_goes_on_where_it_was(moving: Moving) -> None:
    moving.original.keep_versions()
    for number in range(30):
        moving.original.put(NS, f"f{number:02}.md", f"one of {number}".encode())
    for number in range(0, 30, 3):
        moving.original.put(NS, f"f{number:02}.md", f"two of {number}".encode())
    for number in range(1, 30, 3):
        moving.original.delete(NS, f"f{number:02}.md")

    moving.run_and_kill(after_files=20)
    moving.run_and_kill(after_files=35)
    finished = moving.run_with_settings()

    counts = events(finished)[-1]["counts"]
    assert finished.returncode == 0
    assert sum(counts.get(outcome, 0) for outcome in ("present", "imported", "deleted")) == 50
    assert 35 <= counts["present"] < 50
    assert [len(moving.history(f"{NS}/f{number:02}.md")) for number in range(30)] == [2, 2, 1] * 10
    assert moving.hub.command("fsck").returncode == 0
    assert events(moving.run_with_settings())[-1]["counts"]["present"] == 50


def test_the_imported_files_are_served_to_old_clients(moving: Moving) -> None:
    moving.original.put(NS, "a.md", b"text", "text/markdown")
    moving.run_with_settings()

    url = f"{moving.hub.url}/w/{moving.workspace.slug}/memory-proxy"
    headers = {"Authorization": f"Bearer {moving.workspace.token}"}
    with httpx.Client(headers=headers, trust_env=False) as client:
        index = client.get(f"{url}/sync/{NS}").json()["files"]
        file = client.get(f"{url}/{NS}/blob/a.md")

    assert (list(index), index["a.md"]["is_deleted"]) == (["a.md"], False)
    assert (file.content, file.headers["Content-Type"]) == (b"text", "text/markdown; charset=utf-8")
