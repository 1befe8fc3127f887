"""`memoryhub federation peer`: other hubs and stock coordinators that a workspace tells what it is about, and asks."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from memoryhub.cli.hub import REFUSED, DataOption, JsonOption, complain, named_workspace, open_hub
from memoryhub.cli.snapshots import SlugArgument

commands = typer.Typer(help="Other hubs and coordinators to exchange with.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As `memoryhub federation peer list` shows it.")]


@commands.command("add")
def add(
    slug: SlugArgument,
    name: Annotated[str, typer.Argument(help="A name for it: a-z, 0-9 and '-'.")],
    url: Annotated[str, typer.Argument(help="Of its coordinator, without /push and /pull.")],
    token_file: Annotated[Path | None, typer.Option(help="A file that holds its token.", show_default=False)] = None,
    schedule: Annotated[str, typer.Option(help="A cron line, or 'every 6h'. Default: only when asked.")] = "",
    timezone: Annotated[str, typer.Option(help="Of a cron line.")] = "UTC",
    folder: Annotated[str, typer.Option(help="Tell only of what lies below it.", show_default=False)] = "",
    hashes: Annotated[bool, typer.Option("--hashes", help="Also tell the SHA-256 of each file.")] = False,
    pushes: Annotated[bool, typer.Option("--push/--no-push", help="Tell it what the workspace is about.")] = True,
    pulls: Annotated[bool, typer.Option("--pull/--no-pull", help="Ask it for its merged view.")] = True,
    resend_days: Annotated[
        int | None, typer.Option(help="Tell the same again so many days later.", show_default=False)
    ] = None,
    data: DataOption = None,
) -> None:
    """Make a peer known.

    memoryhub federation peer add default harbour https://hub.example.org/w/default/coordinator --schedule 'every 6h'
    """
    values: dict[str, Any] = {
        "url": url,
        "schedule": schedule,
        "timezone": timezone,
        "folder": folder,
        "shares_hashes": hashes,
        "pushes": pushes,
        "pulls": pulls,
        "resend_days": resend_days,
    }
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.federation.peers import create_peer

        if token_file is not None:
            values["token"] = _text_of(token_file)
        create_peer(named_workspace(slug), name, values, actor=Actor.cli())
    print(name)


@commands.command("list")
def list_all(slug: SlugArgument, as_json: JsonOption = False, data: DataOption = None) -> None:
    """List the peers and how the exchange with them goes."""
    with open_hub(data):
        from apps.federation.api.shapes import peer_json
        from apps.federation.queries import peers_of

        rows = [peer_json(peer) for peer in peers_of(named_workspace(slug).pk)]
    if as_json:
        print(json.dumps(rows))
        return
    from memoryhub.cli.tables import print_table

    columns = ("name", "url", "schedule", "pushed_at", "pulled_at", "last_error")
    print_table(
        ["name", "address", "schedule", "told", "asked", "error"],
        [[row[column] or "" for column in columns] for row in rows],
    )


@commands.command("show")
def show(slug: SlugArgument, name: NameArgument, data: DataOption = None) -> None:
    """Print a peer with the merged view that it gave last, as JSON."""
    with open_hub(data):
        from apps.federation.api.shapes import answering_peer_json
        from apps.federation.queries import peer_of

        print(json.dumps(answering_peer_json(peer_of(named_workspace(slug).pk, name))))


@commands.command("exchange")
def exchange(slug: SlugArgument, name: NameArgument, data: DataOption = None) -> None:
    """Tell the peer what is new and ask it, by a job of the running hub. Prints the job's id."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.federation.peers import request_exchange

        print(request_exchange(named_workspace(slug), name, actor=Actor.cli()).public_id)


@commands.command("remove")
def remove(slug: SlugArgument, name: NameArgument, data: DataOption = None) -> None:
    """Forget a peer and the view that it gave. What it was told stays with it."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.federation.peers import delete_peer

        delete_peer(named_workspace(slug), name, actor=Actor.cli())


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        complain(f"{file} cannot be read: {error}")
        raise typer.Exit(REFUSED) from None
