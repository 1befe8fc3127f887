"""`memoryhub token`."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memoryhub.cli.hub import REFUSED, DataOption, JsonOption, complain, named_workspace, open_hub

if TYPE_CHECKING:
    from apps.accounts.models import ApiToken

commands = typer.Typer(help="Issue, list, grant and revoke tokens.", no_args_is_help=True)
SlugArgument = Annotated[str, typer.Argument(help="The workspace.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The 12 characters after mh_.")]


@commands.command("issue")
def issue(
    slug: SlugArgument,
    name: Annotated[str, typer.Option(help="What the token is for.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="Such as files:read; may be given often. Without any, the token is an editor's."),
    ] = None,
    expires_days: Annotated[int, typer.Option(min=0, help="Days until it expires; 0 is never.")] = 90,
    user: Annotated[
        str | None,
        typer.Option(help="A member, whose role bounds the token too. Without, it acts as the operator."),
    ] = None,
    path: Annotated[
        bool,
        typer.Option("--path", help="For clients that can send no header, as agmem: it may push and pull summaries."),
    ] = False,
    data: DataOption = None,
) -> None:
    """Issue a token for a workspace and print it, and only it. It is shown this once."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.accounts.models import TokenKind
        from apps.workspaces.actions import issue_workspace_token
        from apps.workspaces.queries import user_named

        _token, text = issue_workspace_token(
            named_workspace(slug),
            name=name,
            scopes=scope or None,
            expires_days=expires_days or None,
            user=user_named(user) if user is not None else None,
            kind=TokenKind.PATH if path else TokenKind.API,
            actor=Actor.cli(),
        )
        print(text)


@commands.command("list")
def list_all(slug: SlugArgument, as_json: JsonOption = False, data: DataOption = None) -> None:
    """List the tokens of a workspace. Their texts are not kept."""
    with open_hub(data):
        from apps.workspaces.queries import tokens_of

        rows: list[dict[str, Any]] = [
            {
                "id": token.public_id,
                "name": token.name,
                "kind": token.kind,
                "user": token.user.username if token.user else None,
                "scopes": token.scopes,
                "created_at": _shown(token.created_at),
                "expires_at": _shown(token.expires_at),
                "last_used_at": _shown(token.last_used_at),
                "revoked_at": _shown(token.revoked_at),
            }
            for token in tokens_of(named_workspace(slug).pk)
        ]
    if as_json:
        print(json.dumps(rows))
        return
    from memoryhub.cli.tables import print_table

    headings = ["id", "name", "user", "scopes", "expires", "last used", "revoked"]
    cells = ("expires_at", "last_used_at", "revoked_at")
    lines = [
        [row["id"], row["name"], row["user"] or "-", " ".join(row["scopes"]), *(row[cell] or "-" for cell in cells)]
        for row in rows
    ]
    print_table(headings, lines)


@commands.command("grant")
def grant(token_id: IdArgument, slug: SlugArgument, data: DataOption = None) -> None:
    """Let a token into one more workspace, with the scopes it has. A member's token needs the member there too."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.workspaces.actions import grant_token

        grant_token(named_workspace(slug), _named_token(token_id), actor=Actor.cli())


@commands.command("revoke")
def revoke(token_id: IdArgument, data: DataOption = None) -> None:
    """Revoke a token. It stops working within seconds."""
    with open_hub(data):
        from django.db import transaction

        from apps.accounts.actions import revoke_token
        from apps.accounts.actors import Actor

        token = _named_token(token_id)
        with transaction.atomic():
            revoked_now = revoke_token(token, actor=Actor.cli())
        print("Revoked." if revoked_now else "It was revoked before.")


def _named_token(token_id: str) -> "ApiToken":
    """The token that the operator named; a sentence and exit code 1 when there is none. Call inside `open_hub`."""
    from apps.accounts.models import ApiToken

    # The whole token is taken too: who has one at hand need not cut it.
    public_id = token_id.split("_")[1] if token_id.startswith(("mh_", "mhp_")) else token_id
    token = ApiToken.objects.select_related("user").filter(public_id=public_id).first()
    if token is None:
        complain("There is no token with this id; `memoryhub token list SLUG` shows them.")
        raise typer.Exit(REFUSED)
    return token


def _shown(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment is not None else None
