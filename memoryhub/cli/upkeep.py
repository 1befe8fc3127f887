"""`memoryhub status`, `memoryhub fsck` and `memoryhub epoch`."""

import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memoryhub.cli.hub import CANNOT, DataOption, JsonOption, complain, hub_errors, open_hub
from memoryhub.cli.standing import print_standing, read_standing

if TYPE_CHECKING:
    from apps.files.integrity import Report

epoch_commands = typer.Typer(no_args_is_help=True)
NOT_READY = 1
ANSWER_TIMEOUT_S = 10


def status(as_json: JsonOption = False, data: DataOption = None) -> None:
    """Tell how the hub on a data directory is. Exit code 0: ready; 1: runs but is not ready; 2: does not run."""
    with hub_errors():
        from memoryhub.embedded.layout import Layout, data_directory
        from memoryhub.embedded.running import running_hub

        layout = Layout(data_directory(data, os.environ))
        hub = running_hub(layout)
    (ready, readiness), (_, health) = _asked(f"{hub.url}/readyz"), _asked(f"{hub.url}/health")
    facts: dict[str, Any] = {
        "data": str(layout.data),
        "url": hub.url,
        "pid": hub.pid,
        "started_at": datetime.fromtimestamp(hub.started_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ready": ready,
        "version": health.get("version"),
        "database": "its own" if hub.database_url else "DATABASE_URL",
        "redis": "its own" if hub.redis_url else "REDIS_URL",
    }
    inside = read_standing(data, readiness.get("checks", {}))
    if as_json:
        print(json.dumps(facts | inside))
    else:
        for name, value in facts.items():
            shown = ("yes" if value else "no") if isinstance(value, bool) else value
            print(f"{name.replace('_', ' '):<11}{shown}")
        print_standing(inside)
    raise typer.Exit(0 if ready else NOT_READY)


def _asked(url: str) -> tuple[bool, dict[str, Any]]:
    """Whether the answer is 200, and its JSON object if it has one."""
    import httpx

    try:
        answer = httpx.get(url, timeout=ANSWER_TIMEOUT_S, trust_env=False)
        body = answer.json()
    except (httpx.HTTPError, ValueError):
        return False, {}
    return answer.status_code == httpx.codes.OK, body if isinstance(body, dict) else {}


def fsck(
    read_data: Annotated[bool, typer.Option("--read-data", help="Read every stored byte and hash it. Slow.")] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Check what the hub keeps. Exit code 0: clean; 1: damage was found; 2: it, or a part, could not be checked."""
    try:
        with open_hub(data, patient=True):
            from apps.files.integrity import check

            report = check(read_data=read_data, progress=_show_progress if sys.stderr.isatty() else lambda done: None)
    except typer.Exit:
        raise typer.Exit(CANNOT) from None
    except Exception as error:  # noqa: BLE001 - left alone, its exit code would say that there is damage
        complain(f"The check could not be made: {type(error).__name__}: {error}")
        raise typer.Exit(CANNOT) from None
    if as_json:
        print(json.dumps(report.as_json()))
    else:
        _print_report(report)
    raise typer.Exit(report.exit_code)


def _show_progress(done: int) -> None:
    print(f"\r{done} blobs", end="", file=sys.stderr, flush=True)


def _print_report(report: "Report") -> None:
    for finding in report.damage:
        print(f"damage: {finding.check}: workspace {finding.workspace_id}: {finding.what} {finding.detail}".rstrip())
    if report.damage_count > len(report.damage):
        print(f"... and {report.damage_count - len(report.damage)} more")
    for reason in report.could_not_check:
        print(f"not checked: {reason}")
    looked_at = f"{report.checks} checks, {report.blobs} blobs, {report.bytes_read} bytes read"
    print(f"{looked_at}: {f'{report.damage_count} damaged' if report.damage_count else 'no damage found'}.")


@epoch_commands.command("renew")
def renew(data: DataOption = None) -> None:
    """After a restore from a backup: makes every client compare in full, and deletes nothing."""
    with open_hub(data, patient=True):
        from apps.files.epochs import renew_epochs

        print(f"Renewed the epochs of {renew_epochs()} workspaces.")


@epoch_commands.callback()
def epoch() -> None:
    """What clients take as the age of the database."""
