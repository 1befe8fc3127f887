"""`memoryhub jobs [SLUG]`, `memoryhub jobs retry ID` and `memoryhub jobs cancel ID`."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from typer.core import TyperGroup

from memoryhub.cli.hub import REFUSED, DataOption, JsonOption, complain, named_workspace, open_hub

if TYPE_CHECKING:
    from apps.jobs.models import Job

LIST = "list"


class ListsUnlessTold(TyperGroup):
    """`jobs SLUG` is `jobs list SLUG`. Of a workspace that is called as a command is, `jobs list SLUG` tells."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_told = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if is_told else [LIST, *args])


commands = typer.Typer(help="What the hub does beside requests: list, retry, cancel.", cls=ListsUnlessTold)
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As `memoryhub jobs` shows it.")]


@commands.command(LIST)
def list_all(
    slug: Annotated[str, typer.Argument(help="The workspace. Default: all of them, and the hub itself.")] = "",
    state: Annotated[str, typer.Option(help="queued, running, succeeded, failed or cancelled.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """List the newest jobs with their progress. `memoryhub jobs` and `memoryhub jobs SLUG` do the same."""
    with open_hub(data):
        from apps.jobs.models import JobState
        from apps.jobs.queries import every_job

        if state and state not in JobState.values:
            complain(f"No such state: {state}. There are {', '.join(JobState.values)}.")
            raise typer.Exit(REFUSED)
        jobs = every_job(state=state)
        if slug:
            jobs = jobs.filter(workspace=named_workspace(slug))
        rows = [_row(job) for job in jobs[:limit]]
    if as_json:
        print(json.dumps([{name: value for name, value in row.items() if name != "shown"} for row in rows]))
        return
    from memoryhub.cli.tables import print_table

    headings = ["id", "workspace", "kind", "state", "progress", "attempts", "when", "error"]
    print_table(headings, [row["shown"] for row in rows])


@commands.command("retry")
def retry(job_id: IdArgument, data: DataOption = None) -> None:
    """Queue a failed or cancelled job again, with all its attempts."""
    with open_hub(data):
        from apps.jobs.actions import retry as retried

        _changed(job_id, retried)


@commands.command("cancel")
def cancel(job_id: IdArgument, data: DataOption = None) -> None:
    """End a waiting job, or ask a running one to stop. What it has done so far stays."""
    with open_hub(data):
        from apps.jobs.actions import cancel as cancelled

        _changed(job_id, cancelled)


def _changed(job_id: str, action: "Callable[[Job], Job]") -> None:
    """Does it to the job that the operator named, and tells the job's state. Call inside `open_hub`."""
    from apps.common.errors import NotFound
    from apps.jobs.queries import job_by_id

    try:
        job = job_by_id(UUID(job_id))
    except (ValueError, NotFound):
        complain("There is no job with this id; `memoryhub jobs` shows the newest.")
        raise typer.Exit(REFUSED) from None
    job = action(job)
    is_asked = job.state == "running" and job.cancel_requested_at is not None
    print("running, asked to stop" if is_asked else job.state)


def _row(job: "Job") -> dict[str, Any]:
    """A job for programs, and in `shown` its cells for people."""
    from apps.common.times import rfc3339, rfc3339_or_none

    is_waiting = job.state == "queued"
    row = {
        "id": str(job.public_id),
        "workspace": job.workspace.slug if job.workspace else None,
        "kind": job.kind,
        "state": job.state,
        "attempts": job.attempts,
        "max_attempts": job.max_attempts,
        "progress": {"done": job.progress_done, "total": job.progress_total, "note": job.progress_note},
        "cancel_requested": job.cancel_requested_at is not None,
        "error": {"code": job.error_code, "detail": job.error_detail} if job.error_code else None,
        "created_at": rfc3339(job.created_at),
        "next_run_at": rfc3339(job.next_run_at) if is_waiting else None,
        "started_at": rfc3339_or_none(job.started_at),
        "finished_at": rfc3339_or_none(job.finished_at),
    }
    when = row["finished_at"] or row["next_run_at"] or row["started_at"]
    error = ": ".join(part for part in (job.error_code, job.error_detail) if part)
    shown = [
        row["id"],
        row["workspace"] or "-",
        job.kind,
        job.state,
        job.shown_progress or "-",
        f"{job.attempts} of {job.max_attempts}",
        when or "-",
        error or "-",
    ]
    return row | {"shown": shown}
