"""`memoryhub snapshot schedule|keep|prune`: what happens to snapshots by itself."""

import json
from typing import Annotated, Any

import typer

from memoryhub.cli.hub import CANNOT, DataOption, JsonOption, complain, named_workspace, open_hub
from memoryhub.cli.snapshots import SlugArgument

commands = typer.Typer()
NOT_GIVEN = typer.Option(show_default=False)
KeptInOption = Annotated[
    str, typer.Option("--target", help="Of the copies in this target; without it of the snapshots.", show_default=False)
]


@commands.command("schedule")
def schedule(
    slug: SlugArgument,
    every: Annotated[
        str | None, typer.Option(help="A cron line, or as `every 6h`; empty for none.", show_default=False)
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Of a cron line.", show_default=False)] = None,
    jitter: Annotated[
        int | None, typer.Option(help="Seconds that workspaces are spread over.", show_default=False)
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Where the snapshots are copied to; empty for nowhere.", show_default=False)
    ] = None,
    after_changes: Annotated[
        bool | None, typer.Option("--after-changes/--no-after-changes", help="Also after changes.")
    ] = None,
    quiet: Annotated[int | None, typer.Option(help="Seconds without a change before that.", show_default=False)] = None,
    longest: Annotated[
        int | None, typer.Option(help="Seconds after the first change at the latest.", show_default=False)
    ] = None,
    on_fork: Annotated[str | None, typer.Option(help="refuse, newest or merge.", show_default=False)] = None,
    verify_days: Annotated[int | None, typer.Option(help="Between samples; 0 for never.", show_default=False)] = None,
    trial_days: Annotated[
        int | None, typer.Option(help="Between trial restores; 0 for never.", show_default=False)
    ] = None,
    alarm: Annotated[
        int | None, typer.Option(help="Hours without a new copy until an alarm; 0 for none.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Say when a workspace is snapshotted by itself, and where the snapshots go. Without options: show it.

    memoryhub snapshot schedule default --every 'every 6h'
    """
    given = {
        "schedule": every,
        "timezone": timezone,
        "jitter_s": jitter,
        "target": target,
        "after_changes": after_changes,
        "quiet_s": quiet,
        "longest_s": longest,
        "on_fork": on_fork,
        "verify_every_days": verify_days,
        "trial_every_days": trial_days,
        "alarm_after_hours": alarm,
    }
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.snapshots.api.shapes import policy_json
        from apps.snapshots.policies import policy_of, set_policy

        workspace = named_workspace(slug)
        changes = {name: value for name, value in given.items() if value is not None}
        if changes:
            set_policy(workspace, changes, actor=Actor.cli())
        _tell(policy_json(policy_of(workspace.pk)), as_json=as_json)


@commands.command("keep")
def keep(
    slug: SlugArgument,
    last: Annotated[int | None, NOT_GIVEN] = None,
    hourly: Annotated[int | None, NOT_GIVEN] = None,
    daily: Annotated[int | None, NOT_GIVEN] = None,
    weekly: Annotated[int | None, NOT_GIVEN] = None,
    monthly: Annotated[int | None, NOT_GIVEN] = None,
    yearly: Annotated[int | None, NOT_GIVEN] = None,
    within: Annotated[str | None, typer.Option(help="As 30d or 1y6m.", show_default=False)] = None,
    tag: Annotated[list[str] | None, typer.Option(help="May be given often.", show_default=False)] = None,
    timezone: Annotated[str | None, typer.Option(help="Whose days are counted.", show_default=False)] = None,
    grace: Annotated[
        int | None, typer.Option(help="Hours between letting one go and deleting it.", show_default=False)
    ] = None,
    target: KeptInOption = "",
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Say which snapshots stay, or with --target which copies there. Without options: show it.

    Where nothing is said, nothing is ever deleted. -1 keeps all of a kind.

    memoryhub snapshot keep default --daily 7 --weekly 5
    """
    given: dict[str, Any] = {
        "keep_last": last,
        "keep_hourly": hourly,
        "keep_daily": daily,
        "keep_weekly": weekly,
        "keep_monthly": monthly,
        "keep_yearly": yearly,
        "keep_within": within,
        "keep_tags": tag,
        "timezone": timezone,
        "grace_hours": grace,
    }
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.snapshots.api.shapes import retention_json
        from apps.snapshots.policies import rule_of, set_retention
        from apps.snapshots.targets import repository_named

        workspace = named_workspace(slug)
        repository = repository_named(workspace, target)
        changes = {name: value for name, value in given.items() if value is not None}
        if changes:
            set_retention(workspace, repository, changes, actor=Actor.cli())
        rule = rule_of(workspace.pk, repository.pk if repository else None)
        _tell(retention_json(rule), as_json=as_json)


@commands.command("prune")
def prune(
    slug: SlugArgument,
    target: KeptInOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would stay, and why.")] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Do now what retention does every day: let snapshots and copies go, and delete those that went long enough ago."""
    with open_hub(data, patient=True):
        from django.utils import timezone

        from apps.accounts.actors import Actor
        from apps.snapshots.api.shapes import verdict_json
        from apps.snapshots.policies import preview
        from apps.snapshots.removals import request_prune
        from apps.snapshots.targets import repository_named
        from memoryhub.cli.working import finish

        workspace = named_workspace(slug)
        if dry_run:
            verdicts = preview(workspace, repository_named(workspace, target), now=timezone.now())
            _tell_verdicts([verdict_json(verdict) for verdict in verdicts], as_json=as_json)
            return
        if target:
            complain("Without --dry-run all targets are pruned: leave --target out.")
            raise typer.Exit(CANNOT)
        job = finish(request_prune(workspace.pk, actor=Actor.cli()), f"Pruning {slug}")
    _tell(job.result or {}, as_json=as_json)


def _tell(values: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(values))
        return
    for name, value in values.items():
        shown = ", ".join(value) if isinstance(value, list) else "-" if value in (None, "") else value
        print(f"{name.replace('_', ' '):20} {shown}")


def _tell_verdicts(verdicts: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(verdicts))
        return
    from memoryhub.cli.tables import print_table

    rows = [
        [row["name"], row["created_at"], "stays" if row["is_kept"] else "goes", "; ".join(row["reasons"])]
        for row in verdicts
    ]
    print_table(["snapshot", "made", "", "why"], rows)
