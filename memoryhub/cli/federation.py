"""`memoryhub federation`: who pushes summaries to a workspace, and how they are merged."""

import json
from typing import Annotated, Any
from uuid import UUID

import typer

from memoryhub.cli.hub import DataOption, JsonOption, named_workspace, open_hub

commands = typer.Typer(help="Which agents push summaries, and how they merge.", no_args_is_help=True)
SlugArgument = Annotated[str, typer.Argument(metavar="WORKSPACE", help="The workspace.")]


@commands.command("agents")
def agents(slug: SlugArgument, as_json: JsonOption = False, data: DataOption = None) -> None:
    """List the agents that push, by their last push."""
    with open_hub(data):
        from apps.common.times import rfc3339
        from apps.federation.queries import agents_of

        rows = [
            {
                "id": str(agent.pk),
                "name": agent.name,
                "owner": agent.owner,
                "pushes": agent.pushes,
                "first_seen_at": rfc3339(agent.first_seen_at),
                "last_seen_at": rfc3339(agent.last_seen_at),
            }
            for agent in agents_of(named_workspace(slug).pk)
        ]
    if as_json:
        print(json.dumps(rows))
        return
    from memoryhub.cli.tables import print_table

    columns = ("id", "name", "owner", "pushes", "last_seen_at")
    print_table(
        ["id", "name", "owner", "pushes", "last push"], [[str(row[column]) for column in columns] for row in rows]
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
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Say how summaries are merged and shown. Without options: show it."""
    given: dict[str, Any] = {"mode": mode, "min_agents": min_agents, "hash_labels": hash_labels}
    changes = {name: value for name, value in given.items() if value is not None}
    if expire_days is not None:
        changes["expire_days"] = expire_days or None
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.federation.actions import configure_federation
        from apps.federation.queries import federation_of

        workspace = named_workspace(slug)
        if changes:
            configure_federation(workspace, changes, actor=Actor.cli())
        row = federation_of(workspace.pk)
        shown = {
            "mode": str(row.mode),
            "min_agents": row.min_agents,
            "hash_labels": bool(row.label_key),
            "expire_days": row.expire_days,
        }
    if as_json:
        print(json.dumps(shown))
        return
    for name, value in shown.items():
        print(f"{name.replace('_', ' '):12} {json.dumps(value)}")
