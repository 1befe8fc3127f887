"""`memoryhub status`, `memoryhub fsck` and `memoryhub epoch`."""

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memoryhub.cli.hub import CANNOT, DataOption, JsonOption, complain, hub_errors, open_hub
from memoryhub.cli.standing import print_standing, read_standing

if TYPE_CHECKING:
    from apps.files.integrity import Report
    from memoryhub.embedded.layout import Layout
    from memoryhub.embedded.running import RunningHub

epoch_commands = typer.Typer(no_args_is_help=True)
NOT_READY = 1
ANSWER_TIMEOUT_S = 10


def status(as_json: JsonOption = False, data: DataOption = None) -> None:
    """Tell how a hub is. The one on a data directory, or that of the services which DATABASE_URL and others name.

    Exit code 0: ready; 1: something that it needs is away; 2: no hub runs here and DATABASE_URL names none.
    """
    with hub_errors():
        from memoryhub.embedded.choices import chosen_layout, read_choices
        from memoryhub.embedded.running import hub_beside

        choices = read_choices(os.environ, Path.cwd())
        layout = chosen_layout(data, choices, os.environ)
        hub = hub_beside(layout, choices)
    if hub is None:
        facts, checks = _elsewhere(data)
    else:
        facts, checks = _embedded(hub, layout)
    inside = read_standing(data, checks)
    if as_json:
        print(json.dumps(facts | inside))
    else:
        _print_facts(facts)
        print_standing(inside)
    raise typer.Exit(0 if facts["ready"] else NOT_READY)


def _embedded(hub: "RunningHub", layout: "Layout") -> tuple[dict[str, Any], dict[str, bool]]:
    """What is known of a hub that `up` runs here, and the checks of its /readyz."""
    (ready, readiness), (_, health) = _asked(f"{hub.url}/readyz"), _asked(f"{hub.url}/health")
    facts = {
        "data": str(layout.data),
        "url": hub.url,
        "pid": hub.pid,
        "started_at": datetime.fromtimestamp(hub.started_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ready": ready,
        "version": health.get("version"),
        "database": "its own" if hub.database_url else "DATABASE_URL",
        "redis": "its own" if hub.redis_url else "REDIS_URL",
        "pg_bin": hub.postgres_programs,
        "pg_socket": hub.postgres_sockets,
    }
    return facts, readiness.get("checks", {})


def _elsewhere(data: Path | None) -> tuple[dict[str, Any], dict[str, bool]]:
    """What is known where only the services of a hub are named: they are asked from here, as its /readyz would."""
    with open_hub(data):
        from django.conf import settings

        from apps.operations.probes import READINESS, storage, storage_writing
        from apps.operations.version import hub_version

        # A directory that is missing here lies on another machine: asking would make it.
        is_away = not settings.S3_BUCKET and not settings.MEMORYHUB_BLOB_DIR.is_dir()
        asked = [probe for probe in READINESS if not (is_away and probe in (storage, storage_writing))]
        checks = {probe.name: probe.is_well() for probe in asked}
        version = hub_version()
    places = dict.fromkeys(("data", "url", "pid", "started_at"))
    services = {"database": "DATABASE_URL", "redis": "REDIS_URL", "pg_bin": None, "pg_socket": None}
    return {**places, "ready": all(checks.values()), "version": version, **services}, checks


def _print_facts(facts: Mapping[str, Any]) -> None:
    """For people, without what is not known."""
    for name, value in facts.items():
        shown = ("yes" if value else "no") if isinstance(value, bool) else value
        if shown is not None:
            print(f"{name.replace('_', ' '):<11}{shown}")


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
        print(f"damage: {finding.check}: {finding.workspace or '-'}: {finding.what} {finding.detail}".rstrip())
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
