"""`memoryhub jobs`, as an operator calls it beside the hub."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

from apps.common.ids import uuid7
from apps.jobs import actions, leases
from apps.jobs.models import Job, JobState
from tests.factories import make_workspace
from tests.services import run_hub_command

pytestmark = pytest.mark.django_db(transaction=True)
KIND = "files.collect"

Command = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def command(hub_environment: dict[str, str]) -> Command:
    return lambda *arguments: run_hub_command(["jobs", *arguments], hub_environment)


def copying(subject: str, **fields: object) -> Job:
    """A job that runs and has said how far it is."""
    job = actions.enqueue(KIND, subject, **fields)
    claim = leases.claim(job.pk)
    assert claim is not None
    leases.report_progress(claim, 3, 10, "copying")
    return job


def test_jobs_are_listed_with_their_progress_newest_first(command: Command) -> None:
    mine, other = make_workspace("mine"), make_workspace("retry")
    copies = copying("a", workspace_id=mine.pk)
    waits = actions.enqueue(KIND, "b", workspace_id=other.pk)
    hubs = actions.cancel(actions.enqueue(KIND, "c"))

    people = command().stdout.splitlines()
    programs = json.loads(command("--json").stdout)

    assert [line.split()[0] for line in people] == ["id", *(str(job.public_id) for job in (hubs, waits, copies))]
    assert "running    3 of 10 (30 %): copying  1 of 8" in people[3]
    assert [(row["workspace"], row["state"]) for row in programs] == [
        (None, "cancelled"),
        ("retry", "queued"),
        ("mine", "running"),
    ]
    assert programs[2]["progress"] == {"done": 3, "total": 10, "note": "copying"}
    assert [row["id"] for row in json.loads(command("mine", "--json").stdout)] == [str(copies.public_id)]
    assert [row["id"] for row in json.loads(command("list", "retry", "--json").stdout)] == [str(waits.public_id)]
    assert [row["id"] for row in json.loads(command("--state", "cancelled", "--json").stdout)] == [str(hubs.public_id)]
    assert [row["id"] for row in json.loads(command("--limit", "1", "--json").stdout)] == [str(hubs.public_id)]


def test_jobs_are_cancelled_and_tried_again(command: Command) -> None:
    waits, runs = actions.enqueue(KIND, "a"), copying("b")

    cancelled = command("cancel", str(waits.public_id))
    asked = command("cancel", str(runs.public_id))
    retried = command("retry", str(waits.public_id))
    refused = command("retry", str(runs.public_id))

    assert [(done.returncode, done.stdout) for done in (cancelled, asked, retried)] == [
        (0, "cancelled\n"),
        (0, "running, asked to stop\n"),
        (0, "queued\n"),
    ]
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", "The job is running.\n")
    waits.refresh_from_db()
    runs.refresh_from_db()
    assert (waits.state, runs.state, runs.cancel_requested_at is not None) == (JobState.QUEUED, JobState.RUNNING, True)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["no-such"], "There is no workspace of this name; `memoryhub workspace list` shows them.\n"),
        (["--state", "done"], "No such state: done. There are queued, running, succeeded, failed, cancelled.\n"),
        (["retry", str(uuid7())], "There is no job with this id; `memoryhub jobs` shows the newest.\n"),
        (["cancel", "nothing"], "There is no job with this id; `memoryhub jobs` shows the newest.\n"),
    ],
)
def test_what_is_not_there_is_a_sentence_and_exit_code_1(command: Command, arguments: list[str], sentence: str) -> None:
    refused = command(*arguments)

    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", sentence)
