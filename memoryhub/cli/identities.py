"""`memoryhub identity`."""

import json
from typing import Annotated, Any

import typer

from memoryhub.cli.hub import DataOption, JsonOption, named_workspace, open_hub

commands = typer.Typer(help="Whom an outside checker vouches for.", no_args_is_help=True)
SlugArgument = Annotated[str, typer.Argument(help="The workspace.")]
ProviderArgument = Annotated[str, typer.Argument(help="Who vouches: heare or github.")]
SubjectArgument = Annotated[str, typer.Argument(help="The checker's own id of the key or account.")]


@commands.command("add")
def add(
    slug: SlugArgument,
    provider: ProviderArgument,
    subject: SubjectArgument,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="Such as files:read; may be given often. Without any, the identity is an editor."),
    ] = None,
    user_folder: Annotated[str, typer.Option(help="The folder it sees where each user sees one.")] = "",
    data: DataOption = None,
) -> None:
    """Let somebody in whom an outside checker vouches for: an admin at most, never an owner."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.workspaces.actions import add_identity

        add_identity(
            named_workspace(slug),
            provider=provider,
            subject=subject,
            scopes=scope or None,
            user_folder=user_folder,
            actor=Actor.cli(),
        )


@commands.command("list")
def list_all(slug: SlugArgument, as_json: JsonOption = False, data: DataOption = None) -> None:
    """List the outside identities that a workspace lets in."""
    with open_hub(data):
        from apps.common.times import rfc3339
        from apps.workspaces.queries import identities_of

        rows: list[dict[str, Any]] = [
            {
                "provider": identity.provider,
                "subject": identity.subject,
                "scopes": identity.scopes,
                "user_folder": identity.user_folder,
                "created_at": rfc3339(identity.created_at),
            }
            for identity in identities_of(named_workspace(slug).pk).order_by("provider", "subject")
        ]
    if as_json:
        print(json.dumps(rows))
        return
    from memoryhub.cli.tables import print_table

    lines = [
        [row["provider"], row["subject"], " ".join(row["scopes"]), row["user_folder"] or "-", row["created_at"]]
        for row in rows
    ]
    print_table(["provider", "subject", "scopes", "folder", "since"], lines)


@commands.command("remove")
def remove(slug: SlugArgument, provider: ProviderArgument, subject: SubjectArgument, data: DataOption = None) -> None:
    """Take an outside identity off the list. It is out within seconds."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.workspaces.actions import remove_identity

        remove_identity(named_workspace(slug), provider=provider, subject=subject, actor=Actor.cli())
