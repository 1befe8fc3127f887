"""`memoryhub workspace`."""

import json
from typing import Annotated

import typer

from memoryhub.cli.hub import DataOption, JsonOption, open_hub

commands = typer.Typer(help="Make and list workspaces.", no_args_is_help=True)


@commands.command("create")
def create(
    slug: Annotated[str, typer.Argument(help="Part of every address: a-z, 0-9 and hyphens. Never changes.")],
    name: Annotated[str, typer.Option(help="A name for people.")] = "",
    data: DataOption = None,
) -> None:
    """Make an empty workspace."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.workspaces.actions import create_workspace

        workspace = create_workspace(slug, name=name, actor=Actor.cli())
        print(workspace.slug)


@commands.command("list")
def list_all(as_json: JsonOption = False, data: DataOption = None) -> None:
    """List the workspaces."""
    with open_hub(data):
        from apps.workspaces.queries import live_workspaces

        rows = [
            {
                "slug": workspace.slug,
                "name": workspace.name,
                "live_files": workspace.counter.live_files,
                "live_bytes": workspace.counter.live_bytes,
            }
            for workspace in live_workspaces().select_related("counter").order_by("slug")
        ]
    if as_json:
        print(json.dumps(rows))
        return
    from memoryhub.cli.tables import print_table

    print_table(["workspace", "name", "files", "bytes"], [[str(value) for value in row.values()] for row in rows])
