"""`memoryhub federation push|pull`: what an agent knows about, and what all of them do."""

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memoryhub.cli.hub import CANNOT, DataOption, JsonOption, complain, named_workspace, open_hub
from memoryhub.cli.plain import plain
from memoryhub.cli.snapshots import SlugArgument

if TYPE_CHECKING:
    from apps.federation.summaries import Summary

commands = typer.Typer()
COUNT = re.compile("-?[0-9]{1,19}")


@commands.command("push")
def push(
    slug: SlugArgument,
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="The summary as JSON; - is standard input.", show_default=False)
    ] = "",
    agent: Annotated[str, typer.Option(help="Whose it is.", show_default=False)] = "",
    topic: Annotated[
        list[str] | None, typer.Option(help="NAME=COUNT: how much it knows about something.", show_default=False)
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="A label; best a hash that tells nobody anything.", show_default=False)
    ] = None,
    data: DataOption = None,
) -> None:
    """Tell what an agent knows about, from a file or from options.

    memoryhub federation push default summary.json

    memoryhub federation push default --agent laptop --topic cooking=12 --topic travel=3
    """
    if bool(file) == bool(agent):
        complain("Give a file, or --agent with --topic and --label.")
        raise typer.Exit(CANNOT)
    raw = _read(file) if file else _given(agent, topic or [], label or [])
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.federation.actions import push_summary

        pushed = push_summary(named_workspace(slug), _summary(raw), actor=Actor.cli())
    print("Accepted." if pushed.is_new else "It was pushed before: nothing has changed.")
    if pushed.clear_labels:
        complain(f"{pushed.clear_labels} labels are kept in clear; `memoryhub federation configure` can hash them.")


@commands.command("pull")
def pull(slug: SlugArgument, as_json: JsonOption = False, data: DataOption = None) -> None:
    """Show what all agents together know about, as a pull does."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.dialects.coordinator.shapes import merged_text
        from apps.federation.actions import pull_view, standing_for_pull

        workspace = named_workspace(slug)
        text = merged_text(pull_view(workspace, standing_for_pull(workspace), actor=Actor.cli()))
    if as_json:
        print(text)
        return
    view = json.loads(text)
    for name, count in view["merged_topic_counts"].items():
        print(f"{count:>10}  {plain(name)}")
    print(f"{view['contributing_agents']} agents, {len(view['unique_fact_hashes'])} labels.")


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        complain(f"{file} cannot be read: {error}")
        raise typer.Exit(CANNOT) from None


def _given(agent: str, topics: list[str], labels: list[str]) -> bytes:
    counts = {}
    for text in topics:
        name, separator, count = text.rpartition("=")
        if not separator or name in counts or COUNT.fullmatch(count) is None:
            complain(f"--topic takes NAME=COUNT, each name once, not {text[:40]!r}.")
            raise typer.Exit(CANNOT)
        counts[name] = int(count)
    now = datetime.now(UTC).isoformat()
    return json.dumps({"agent_id": agent, "timestamp": now, "topic_counts": counts, "fact_hashes": labels}).encode()


def _summary(raw: bytes) -> "Summary":
    """As the API reads it, with or without the envelope that it travels in. Raises what `open_hub` tells."""
    from apps.common.errors import Invalid
    from apps.common.forms import parsed_json
    from apps.federation.api.forms import SummaryForm, summary_in

    sent = parsed_json(raw)
    reading = SummaryForm(data=sent["summary"] if isinstance(sent, dict) and "summary" in sent else sent)
    if not reading.is_valid():
        raise Invalid(f"This is no summary: {json.dumps(reading.errors)}")
    return summary_in(reading.validated_data)
