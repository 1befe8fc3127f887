"""What `memoryhub status` tells of the hub's inside: its storage, its scheduler and its jobs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from memoryhub.cli.hub import open_hub

UNKNOWN: dict[str, Any] = {
    "storage": None,
    "last_tick_at": None,
    "last_tick_age_s": None,
    "jobs": None,
    "uploads_waiting": None,
    "periodic": None,
}


def read_standing(data: Path | None, checks: Mapping[str, bool]) -> dict[str, Any]:
    """As JSON; None for what could not be asked. `checks` are those of /readyz: what is down is not waited for."""
    if not (checks.get("database") and checks.get("migrations")):
        return UNKNOWN
    try:
        with open_hub(data):
            from apps.blobs.capabilities import storage_capabilities
            from apps.common.times import rfc3339_or_none
            from apps.operations.queries import standing

            found = standing()
            storage = storage_capabilities() if checks.get("storage") and checks.get("storage_writing") else None
    except typer.Exit:
        return UNKNOWN  # It went away just now; `open_hub` has said so.
    return {
        "storage": storage and {"kind": storage.kind, "conditional_writes": storage.conditional_writes},
        "last_tick_at": rfc3339_or_none(found.last_tick_at),
        "last_tick_age_s": found.last_tick_age_s,
        "jobs": found.jobs,
        "uploads_waiting": found.uploads_waiting,
        "periodic": [
            {
                "kind": run.kind,
                "every_s": run.every_s,
                "last_state": run.last_state or None,
                "last_started_at": rfc3339_or_none(run.last_started_at),
                "last_success_at": rfc3339_or_none(run.last_success_at),
                "next_at": rfc3339_or_none(run.next_at),
            }
            for run in found.periodic
        ],
    }


def print_standing(facts: Mapping[str, Any]) -> None:
    """For people."""
    print(f"storage    {_storage(facts['storage'])}")
    if facts["jobs"] is None:
        print("jobs       unknown: the database cannot be asked")
        return
    print(f"last tick  {_tick(facts['last_tick_age_s'])}")
    jobs = facts["jobs"]
    print(
        f"jobs       {jobs['queued']} queued, {jobs['due']} of them due; {jobs['running']} running; "
        f"{jobs['failed']} failed; {jobs['stuck']} stuck"
    )
    if facts["uploads_waiting"] is not None:
        print(f"uploads    {_uploads(facts['uploads_waiting'])} waiting")
    print()
    from memoryhub.cli.tables import print_table

    rows = [
        [
            run["kind"],
            f"{run['every_s']:g} s",
            run["last_state"] or "never ran",
            run["last_success_at"] or "-",
            run["next_at"] or "-",
        ]
        for run in facts["periodic"]
    ]
    print_table(["periodic", "every", "last run", "last success", "next"], rows)


def _storage(storage: Mapping[str, Any] | None) -> str:
    if storage is None:
        return "unknown: it cannot be asked"
    if storage["kind"] != "bucket":
        return str(storage["kind"])
    refuses = {True: "refuses conditional writes that fail", False: "ignores conditional writes"}
    return f"bucket, {refuses.get(storage['conditional_writes'], 'conditional writes unknown')}"


def _tick(age_s: float | None) -> str:
    from apps.operations.queries import BEAT_LOST_AFTER_S

    if age_s is None:
        return "never: no scheduler has run"
    return f"{age_s:.0f} s ago" + (": the scheduler does not run" if age_s > BEAT_LOST_AFTER_S else "")


def _uploads(count: int) -> str:
    from apps.operations.queries import MOST_COUNTED

    return f"{count} or more" if count >= MOST_COUNTED else str(count)
