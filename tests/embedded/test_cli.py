"""The commands beside `up`, on a running hub."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import services
from tests.live import LiveHub, LiveWorkspace
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def hub(live_hub: LiveHub) -> LiveHub:
    return live_hub


def status_of(hub: LiveHub, slug: str, token: str) -> int:
    with LiveWorkspace(hub.url, slug, token).client() as client:
        return client.get("/files/nothing.txt").status_code


def kinds_that_succeeded(hub: LiveHub) -> set[str]:
    listed = json.loads(hub.command("jobs", "--state", "succeeded", "--limit", "100000", "--json").stdout)
    return {row["kind"] for row in listed}


def test_help_comes_at_once_and_without_django() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "memoryhub", "--help"]
    times = []
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run(command, cwd=services.ROOT, capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - began)

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "up " in done.stdout
    assert imported & {"django", "celery", "httpx", "psycopg", "granian"} == set()


def test_a_workspace_is_made_once(hub: LiveHub) -> None:
    made = hub.command("workspace", "create", "cli-made", "--name", "Made here")
    again = hub.command("workspace", "create", "cli-made")
    listed = json.loads(hub.command("workspace", "list", "--json").stdout)

    assert (made.returncode, made.stdout) == (0, "cli-made\n")
    assert (again.returncode, again.stderr) == (1, "This slug is in use, or was.\n")
    row = {"slug": "cli-made", "name": "Made here", "live_files": 0, "live_bytes": 0}
    assert [found for found in listed if found["slug"] == "cli-made"] == [row]


def test_issuing_a_token_prints_only_the_token_and_revoking_ends_it(hub: LiveHub) -> None:
    slug = hub.workspace().slug
    issued = hub.command("token", "issue", slug, "--name", "mine", "--scope", "files:read", "--expires-days", "2")
    token = issued.stdout.removesuffix("\n")

    assert (issued.returncode, issued.stderr, len(token.split())) == (0, "", 1)
    assert status_of(hub, slug, token) == 404
    row = next(row for row in json.loads(hub.command("token", "list", slug, "--json").stdout) if row["name"] == "mine")
    assert (row["scopes"], row["revoked_at"], row["id"]) == (["files:read"], None, token.split("_")[1])
    assert hub.command("token", "revoke", row["id"]).stdout == "Revoked.\n"
    assert hub.command("token", "revoke", token).stdout == "It was revoked before.\n"
    wait_until(lambda: status_of(hub, slug, token) == 401)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["token", "issue", "no-such"], "There is no workspace of this name"),
        (["token", "list", "no-such"], "There is no workspace of this name"),
        (["token", "issue", "default", "--scope", "files:all"], "No such scope: files:all."),
        (["token", "revoke", "nothing"], "There is no token with this id"),
        (["workspace", "create", "Not A Slug"], "A slug is 1 to 63 of a-z, 0-9 and '-'"),
        (["user", "password", "nobody-here"], "There is no user of this name."),
    ],
)
def test_a_refusal_is_a_sentence_and_exit_code_1(hub: LiveHub, arguments: list[str], sentence: str) -> None:
    refused = hub.command(*arguments)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(sentence)
    assert refused.stderr.count("\n") == 1


def test_a_user_is_made_with_a_printed_password_and_gets_another(hub: LiveHub) -> None:
    slug = hub.workspace().slug

    made = hub.command("user", "create", "ada", "--workspace", slug, "--role", "viewer")
    again = hub.command("user", "create", "ada")
    changed = hub.command("user", "password", "ada")

    assert (made.returncode, len(made.stdout.strip())) == (0, 20)
    assert (again.returncode, again.stderr) == (1, "There is a user of this name.\n")
    assert changed.returncode == 0
    assert changed.stdout != made.stdout


def test_fsck_tells_that_all_is_well(hub: LiveHub) -> None:
    workspace = hub.workspace()
    with workspace.client() as client:
        client.put("/files/a.txt", content=b"one", headers={"If-None-Match": "*"})

    people = hub.command("fsck")
    programs = hub.command("fsck", "--read-data", "--json")

    assert people.returncode == 0
    assert people.stdout.endswith("no damage found.\n")
    report = json.loads(programs.stdout)
    assert (programs.returncode, report["damage"], report["exit_code"]) == (0, [], 0)


def test_renewed_epochs_make_old_cursors_expire(hub: LiveHub) -> None:
    workspace = hub.workspace()
    with workspace.client() as client:
        cursor = client.get("/changes").json()["cursor"]

        renewed = hub.command("epoch", "renew")

        assert renewed.returncode == 0
        assert renewed.stdout.startswith("Renewed the epochs of ")
        assert client.get("/changes", params={"since": cursor}).status_code == 410


def test_status_tells_where_the_hub_is(hub: LiveHub) -> None:
    people = hub.command("status")
    facts = json.loads(hub.command("status", "--json").stdout)

    assert people.returncode == 0
    assert f"url        {hub.url}\n" in people.stdout
    assert (facts["ready"], facts["pid"], facts["database"]) == (True, hub.process.pid, "DATABASE_URL")


def test_status_tells_how_its_work_goes(hub: LiveHub) -> None:
    wait_until(lambda: "jobs.clean" in kinds_that_succeeded(hub))

    people = hub.command("status").stdout.splitlines()
    facts = json.loads(hub.command("status", "--json").stdout)

    shown = {line[:11].strip(): line[11:] for line in people}
    assert shown["storage"] == "directory"
    assert re.fullmatch(r"\d s ago", shown["last tick"])
    assert re.fullmatch(r"\d+ queued, \d+ of them due; \d+ running; \d+ failed; 0 stuck", shown["jobs"])
    assert "uploads" not in shown
    assert facts["storage"] == {"kind": "directory", "conditional_writes": None}
    assert facts["last_tick_age_s"] < 10
    assert set(facts["jobs"]) == {"queued", "due", "running", "failed", "stuck"}
    assert facts["uploads_waiting"] is None
    clean = next(run for run in facts["periodic"] if run["kind"] == "jobs.clean")
    assert (clean["every_s"], clean["last_state"], clean["last_success_at"] is not None) == (3600, "succeeded", True)
    assert [line.split()[0] for line in people if line.startswith("jobs.clean")] == ["jobs.clean"]


def test_status_asks_the_services_where_no_hub_runs_on_the_data_directory(hub: LiveHub, tmp_path: Path) -> None:
    environment = {**hub.environment, "MEMORYHUB_BLOB_DIR": str(hub.data / "blobs")}

    people = services.run_hub_command(["status", "--data", str(tmp_path / "none")], environment)
    told = services.run_hub_command(["status", "--json", "--data", str(tmp_path / "none")], environment)

    facts = json.loads(told.stdout)
    assert (told.returncode, told.stderr) == (0, "")
    assert (facts["ready"], facts["url"], facts["pid"], facts["database"]) == (True, None, None, "DATABASE_URL")
    assert facts["storage"] == {"kind": "directory", "conditional_writes": None}
    assert set(facts["jobs"]) == {"queued", "due", "running", "failed", "stuck"}
    assert [line for line in people.stdout.splitlines() if line.startswith(("url", "pid", "pg"))] == []
    assert list(tmp_path.iterdir()) == []


def test_status_makes_no_directory_for_bytes_that_lie_on_another_machine(hub: LiveHub, tmp_path: Path) -> None:
    told = services.run_hub_command(["status", "--json", "--data", str(tmp_path / "none")], hub.environment)

    assert (told.returncode, json.loads(told.stdout)["storage"]) == (0, None)
    assert list(tmp_path.iterdir()) == []


def test_a_command_on_a_hub_of_another_database_asks_for_its_address(hub: LiveHub) -> None:
    without = {name: value for name, value in hub.environment.items() if name != "DATABASE_URL"}

    refused = services.run_hub_command(["workspace", "list", "--data", str(hub.data)], without)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        f"The hub on {hub.data} uses the database that DATABASE_URL named when it was started: "
        "set DATABASE_URL here too.\n"
    )


@pytest.mark.parametrize("command", [["up"], ["status"], ["workspace", "list"]])
def test_an_empty_data_option_is_refused(command: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "memoryhub", *command, "--data", ""],
        env={**os.environ, "PYTHONPATH": str(services.ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "--data is empty: name a directory, or leave the option out.\n"
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_that_of_the_running_hub(hub: LiveHub) -> None:
    told = services.run_hub_command(["--version"], hub.environment)

    assert (told.returncode, told.stdout) == (0, json.loads(hub.command("status", "--json").stdout)["version"] + "\n")


def test_jobs_of_the_hub_are_listed(hub: LiveHub) -> None:
    wait_until(lambda: "jobs.clean" in kinds_that_succeeded(hub))

    listed = json.loads(hub.command("jobs", "--state", "succeeded", "--json").stdout)

    assert {row["state"] for row in listed} == {"succeeded"}


def test_where_no_hub_runs_a_command_says_so_with_exit_code_2(tmp_path: Path) -> None:
    environment = {**os.environ}
    services.remove_foreign_settings(environment)
    environment["MEMORYHUB_ENV_FILE"] = "none"
    commands = [
        ["status"],
        ["fsck"],
        ["token", "issue", "default"],
        ["workspace", "list"],
        ["epoch", "renew"],
        ["jobs"],
    ]

    for command in commands:
        refused = services.run_hub_command([*command, "--data", str(tmp_path / "none")], environment)

        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.startswith(f"No hub runs on {tmp_path / 'none'}. Start one with `memoryhub up --data")
    assert list(tmp_path.iterdir()) == []
