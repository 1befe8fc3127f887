"""`memoryhub federation agents|withdraw|configure|changes|reset`: who pushes summaries, and how they are merged."""

import json
from typing import Annotated, Any
from uuid import UUID

import typer

from memoryhub.cli.hub import CANNOT, DataOption, JsonOption, complain, named_workspace, open_hub
from memoryhub.cli.plain import plain
from memoryhub.cli.snapshots import SlugArgument

commands = typer.Typer()


@commands.command("agents")
def agents(
    slug: SlugArgument,
    topic: Annotated[str, typer.Option(help="Only those that know about it.", show_default=False)] = "",
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """List the agents that push, by their last push."""
    with open_hub(data):
        from apps.federation.api.shapes import agents_json
        from apps.federation.queries import agents_of

        rows = agents_json(list(agents_of(named_workspace(slug).pk, topic=topic)))
    if as_json:
        print(json.dumps(rows))
        return
    from memoryhub.cli.tables import print_table

    columns = ("id", "agent_id", "owner", "pushes", "last_seen_at")
    print_table(
        ["id", "agent", "owner", "pushes", "last push"], [[str(row[column]) for column in columns] for row in rows]
    )


@commands.command("withdraw")
def withdraw(
    slug: SlugArgument,
    agent: Annotated[UUID, typer.Argument(metavar="ID", help="As `memoryhub federation agents` shows it.")],
    data: DataOption = None,
) -> None:
    """Take an agent out with all that it ever pushed."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.federation.actions import withdraw_agent

        withdraw_agent(named_workspace(slug), agent, actor=Actor.cli())


@commands.command("configure")
def configure(
    slug: SlugArgument,
    mode: Annotated[
        str | None, typer.Option(help="newest: the newest summary of each agent; sum: of all that were ever pushed.")
    ] = None,
    min_agents: Annotated[
        int | None, typer.Option(help="Show a topic or label when so many agents sent it.", show_default=False)
    ] = None,
    hash_labels: Annotated[
        bool | None, typer.Option("--hash-labels/--clear-labels", help="Keep HMACs of labels instead of them.")
    ] = None,
    expire_days: Annotated[
        int | None, typer.Option(help="Forget summaries so many days after they came; 0 is never.", show_default=False)
    ] = None,
    noise_epsilon: Annotated[
        float | None, typer.Option(help="Show counts with noise: what each publication spends; 0 is no noise.")
    ] = None,
    noise_budget: Annotated[
        float | None, typer.Option(help="What all publications together may spend.", show_default=False)
    ] = None,
    noise_bound: Annotated[
        int | None, typer.Option(help="Scale each agent's counts down to this length.", show_default=False)
    ] = None,
    noise_hours: Annotated[int | None, typer.Option(help="Hours between two publications.", show_default=False)] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Say how summaries are merged and shown. Without options: show it."""
    given: dict[str, Any] = {
        "mode": mode,
        "min_agents": min_agents,
        "hash_labels": hash_labels,
        "noise_budget": noise_budget,
        "noise_bound": noise_bound,
        "noise_hours": noise_hours,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    never = {"expire_days": expire_days, "noise_epsilon": noise_epsilon}
    changes |= {name: value or None for name, value in never.items() if value is not None}
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.federation.actions import configure_federation
        from apps.federation.api.shapes import federation_json
        from apps.federation.queries import federation_of, standing_of

        workspace = named_workspace(slug)
        if changes:
            configure_federation(workspace, changes, actor=Actor.cli())
        shown = federation_json(standing_of(workspace.pk), federation_of(workspace.pk))
    if as_json:
        print(json.dumps(shown))
        return
    for name, value in shown.items():
        print(f"{name.replace('_', ' '):14} {json.dumps(value)}")


@commands.command("changes")
def changes(
    slug: SlugArgument,
    since: Annotated[str, typer.Option(help="A time in ISO 8601, as of an earlier pull.")],
    until: Annotated[str, typer.Option(help="Another one. Default: now.", show_default=False)] = "",
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show what changed in the merged view between two moments."""
    with open_hub(data):
        from django.utils import timezone

        from apps.federation.api.shapes import changes_json
        from apps.federation.history import changes_between
        from apps.federation.summaries import BadTime, instant_of

        try:
            moments = instant_of(since), instant_of(until) if until else timezone.now()
        except BadTime:
            complain("A time reads like 2026-01-05T09:30:00Z.")
            raise typer.Exit(CANNOT) from None
        found = changes_between(named_workspace(slug).pk, *moments)
    if as_json:
        print(json.dumps(changes_json(found)))
        return
    for change in found.topics:
        print(f"{change.was[0]:>8} -> {change.now[0]:<8} {plain(change.topic)}")
    print(f"{found.labels_came_count} labels came, {found.labels_went_count} went.")


@commands.command("reset")
def reset(
    slug: SlugArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: DataOption = None,
) -> None:
    """Take out all that was ever pushed."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.federation.actions import reset_federation
        from apps.workspaces.standing import OPERATOR

        workspace = named_workspace(slug)
        if not yes and not typer.confirm(f"Take out all that was ever pushed to {slug}?"):
            complain("Nothing was changed.")
            raise typer.Exit(CANNOT)
        reset_federation(workspace, acting_role=OPERATOR, actor=Actor.cli())
