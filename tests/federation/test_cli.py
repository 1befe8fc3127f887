"""`memoryhub federation`, as an operator calls it beside the hub."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from apps.federation.models import Agent, Peer
from apps.jobs.models import Job
from tests.factories import make_workspace
from tests.services import run_hub_command

pytestmark = pytest.mark.django_db(transaction=True)

Command = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def command(hub_environment: dict[str, str]) -> Command:
    return lambda *arguments: run_hub_command(["federation", *arguments], hub_environment)


def test_summaries_are_pushed_from_a_file_and_by_hand_and_pulled(command: Command, tmp_path: Path) -> None:
    make_workspace("notes")
    file = tmp_path / "summary.json"
    summary = {"agent_id": "laptop", "timestamp": "2026-02-01T12:00:00Z", "topic_counts": {"cooking": 2}}
    file.write_text(json.dumps({"summary": summary}))

    first, again = command("push", "notes", str(file)), command("push", "notes", str(file))
    by_hand = command("push", "notes", "--agent", "phone", "--topic", "cooking=3", "--label", "User prefs")
    pulled = json.loads(command("pull", "notes", "--json").stdout)

    assert first.stdout == "Accepted.\n"
    assert again.stdout == "It was pushed before: nothing has changed.\n"
    assert (by_hand.stdout, "1 labels are kept in clear" in by_hand.stderr) == ("Accepted.\n", True)
    assert pulled["merged_topic_counts"] == {"cooking": 5}
    assert pulled["unique_fact_hashes"] == ["User prefs"]
    assert command("pull", "notes").stdout == "         5  cooking\n2 agents, 1 labels.\n"
    assert [
        each["agent_id"] for each in json.loads(command("agents", "notes", "--topic", "cooking", "--json").stdout)
    ] == [
        "phone",
        "laptop",
    ]
    changed = json.loads(command("changes", "notes", "--since", "2026-01-01", "--json").stdout)
    assert changed["topics"] == [
        {"topic": "cooking", "was": {"count": 0, "agents": 0}, "now": {"count": 5, "agents": 2}}
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not the JSON"),
        ('{"agent_id": "a"}', "timestamp"),
        ('{"agent_id": "a", "timestamp": "noon"}', "noon"),
        ('{"agent_id": "a", "timestamp": "2026-02-01", "topic_counts": {"x": "many"}}', "topic_counts"),
    ],
)
def test_a_bad_summary_is_told_and_changes_nothing(command: Command, tmp_path: Path, text: str, said: str) -> None:
    make_workspace("notes")
    file = tmp_path / "summary.json"
    file.write_text(text)

    done = command("push", "notes", str(file))

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not Agent.objects.exists()


def test_how_it_merges_is_set_and_all_of_it_reset(command: Command) -> None:
    make_workspace("notes")
    command("push", "notes", "--agent", "laptop", "--topic", "cooking=2")

    set_to = json.loads(command("configure", "notes", "--min-agents", "2", "--noise-epsilon", "0.5", "--json").stdout)
    unset = json.loads(command("configure", "notes", "--noise-epsilon", "0", "--json").stdout)
    unasked = command("reset", "notes")

    assert (set_to["min_agents"], set_to["noise_epsilon"], unset["noise_epsilon"]) == (2, 0.5, None)
    assert unasked.returncode != 0
    assert Agent.objects.count() == 1
    assert command("reset", "notes", "--yes").returncode == 0
    assert Agent.objects.count() == 0


def test_peers_are_added_shown_asked_and_removed(command: Command, tmp_path: Path) -> None:
    make_workspace("notes")
    token = tmp_path / "token"
    token.write_text("mh_hidden\n")
    address = "https://hub.example.org/w/default/coordinator"

    added = command("peer", "add", "notes", "harbour", address, "--token-file", str(token), "--schedule", "every 6h")
    (listed,) = json.loads(command("peer", "list", "notes", "--json").stdout)
    shown = json.loads(command("peer", "show", "notes", "harbour").stdout)
    job = command("peer", "exchange", "notes", "harbour").stdout.strip()

    assert added.stdout == "harbour\n"
    assert (listed["url"], listed["has_token"], listed["schedule"]) == (
        "https://hub.example.org/****",
        True,
        "every 6h",
    )
    assert shown == listed | {"view": None}
    assert [str(each.public_id) for each in Job.objects.all()] == [job]
    assert command("peer", "add", "notes", "Bad", address).stderr.count("\n") == 1
    assert command("peer", "remove", "notes", "harbour").returncode == 0
    assert not Peer.objects.exists()


def test_what_agents_wrote_moves_no_cursor(command: Command, tmp_path: Path) -> None:
    make_workspace("notes")
    file = tmp_path / "summary.json"
    file.write_text(
        json.dumps(
            {"agent_id": "evil\x1b[2J\nrow", "timestamp": "2026-02-01", "topic_counts": {"a\x1b]0;pwn\x07\nb": 1}}
        )
    )
    command("push", "notes", str(file))

    said = command("agents", "notes").stdout + command("pull", "notes").stdout
    said += command("changes", "notes", "--since", "2026-01-01").stdout

    assert "\x1b" not in said
    assert r"evil\x1b[2J\nrow" in said
    assert said.count(r"a\x1b]0;pwn\x07\nb") == 2
