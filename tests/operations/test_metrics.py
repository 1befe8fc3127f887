import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from django.test import Client, override_settings

from apps.jobs.models import Job, JobState, Tick
from apps.operations import queries
from tests.factories import bearer, make_token, make_workspace

pytestmark = pytest.mark.django_db

STRANGER = {"REMOTE_ADDR": "198.51.100.7"}


def make_job(subject: str, state: str, **fields: object) -> Job:
    now = datetime.now(UTC)
    finished_at = now if state in {JobState.SUCCEEDED, JobState.FAILED} else None
    return Job.objects.create(
        kind="test", subject=subject, state=state, finished_at=finished_at, **{"next_run_at": now, **fields}
    )


def test_gauges_are_those_of_the_database(client: Client) -> None:
    make_workspace()
    make_job("1", JobState.QUEUED)
    make_job("2", JobState.QUEUED)
    make_job("3", JobState.FAILED)

    lines = client.get("/metrics").content.decode().splitlines()

    assert 'memoryhub_jobs{kind="test",state="queued"} 2.0' in lines
    assert 'memoryhub_jobs{kind="test",state="failed"} 1.0' in lines
    assert "memoryhub_workspaces 1.0" in lines
    assert "memoryhub_files 0.0" in lines


def test_the_oldest_due_job_is_told_by_its_wait() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    make_job("due", JobState.QUEUED, next_run_at=now - timedelta(seconds=90))
    make_job("later", JobState.QUEUED, next_run_at=now + timedelta(seconds=90))
    make_job("done", JobState.SUCCEEDED, next_run_at=now - timedelta(days=9))

    assert queries.totals(now).oldest_due_job_s == 90.0


def test_a_beat_that_stopped_is_told_by_its_age(client: Client) -> None:
    never = client.get("/metrics").content.decode().splitlines()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    Tick.objects.create(at=now - timedelta(seconds=90))

    assert "memoryhub_last_tick_age_seconds +Inf" in never
    assert queries.totals(now).last_tick_age_s == 90.0


def test_requests_are_counted_by_route_and_not_by_path(client: Client) -> None:
    client.get("/api/v1/workspaces/private-name/files/secret-plan.md")

    text = client.get("/metrics").content.decode()

    assert 'memoryhub_request_seconds_count{method="GET",route="api/v1/workspaces/<str:slug>/' in text
    assert "secret-plan" not in text
    assert "private-name" not in text


def test_pushes_are_counted_by_how_they_ended_and_agents_by_when_they_were_seen(client: Client) -> None:
    workspace = make_workspace()
    push = partial(
        client.post,
        f"/w/{workspace.slug}/coordinator/push",
        content_type="application/json",
        headers=bearer(make_token(workspace)),
    )
    before = counted_pushes(client)
    summary = {"agent_id": "agent-1", "timestamp": "2026-02-01T12:00:00Z"}

    for sent in (summary, summary, summary | {"timestamp": "noon"}, {}):
        push({"summary": sent})
    push({"summary": summary}, headers=bearer("mh_unknown"))

    ended = {outcome: count - before.get(outcome, 0) for outcome, count in counted_pushes(client).items()}
    assert {outcome: count for outcome, count in ended.items() if count} == {
        "accepted": 1,
        "repeated": 1,
        "bad_time": 1,
        "invalid": 1,
        "unauthorized": 1,
    }
    assert "memoryhub_agents_seen 1.0" in client.get("/metrics").content.decode().splitlines()


def counted_pushes(client: Client) -> dict[str, float]:
    lines = client.get("/metrics").content.decode().splitlines()
    found = (re.fullmatch(r'memoryhub_summary_pushes_total\{outcome="(\w+)"\} (.+)', line) for line in lines)
    return {match[1]: float(match[2]) for match in found if match}


def test_a_stranger_needs_an_operator_s_token(client: Client) -> None:
    workspace = make_workspace()

    none = client.get("/metrics", **STRANGER)
    plain = client.get("/metrics", headers=bearer(make_token(workspace)), **STRANGER)
    operator = client.get("/metrics", headers=bearer(make_token(workspace, "operator:read")), **STRANGER)

    assert (none.status_code, none.json()["code"]) == (401, "unauthorized")
    assert (plain.status_code, plain.json()["code"]) == (403, "scope_missing")
    assert operator.status_code == 200
    assert operator["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_a_local_peer_behind_a_proxy_is_a_stranger(client: Client) -> None:
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", **{"memoryhub.forwarded": True}).status_code == 401


def test_the_way_in_for_local_peers_can_be_closed(client: Client) -> None:
    with override_settings(MEMORYHUB_METRICS_LOCAL=False):
        assert client.get("/metrics").status_code == 401


def test_a_scrape_costs_nine_queries_for_any_number_of_jobs(
    client: Client, django_assert_num_queries: Callable
) -> None:
    for number in range(50):
        make_job(str(number), JobState.QUEUED)

    with django_assert_num_queries(9):
        client.get("/metrics")


COUNT = """
import os, sys
from pathlib import Path
import django
django.setup()
from apps.operations.counters import share_counters
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
share_counters(Path(sys.argv[1]))
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
import apps.operations.metrics as metrics
metrics.observe_request("GET", "health", 200, 0.001)
if len(sys.argv) > 2:
    print(os.getpid(), flush=True)
    sys.stdin.readline()
registry = CollectorRegistry()
MultiProcessCollector(registry)
print([line for line in generate_latest(registry).decode().splitlines() if "_count{" in line])
"""


def counted(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", COUNT, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_processes_of_one_server_add_up_and_those_of_an_earlier_one_are_forgotten(tmp_path: Path) -> None:
    label = '{method="GET",route="health",status="200"}'

    first = counted(str(tmp_path), "stay")
    assert first.stdout is not None
    first.stdout.readline()
    second, _ = counted(str(tmp_path)).communicate()
    first.communicate("\n")
    after, _ = counted(str(tmp_path)).communicate()

    assert second.strip() == str([f"memoryhub_request_seconds_count{label} 2.0"])
    assert after.strip() == str([f"memoryhub_request_seconds_count{label} 1.0"])
