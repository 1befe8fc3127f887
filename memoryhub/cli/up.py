"""`memoryhub up`."""

import os
import shlex
import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memoryhub.cli.hub import CANNOT, DataOption, complain, hub_errors

if TYPE_CHECKING:
    from memoryhub.embedded.supervisor import Supervisor


class Level(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def up(
    data: DataOption = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen at.")] = 8000,
    demo: Annotated[bool, typer.Option("--demo", help="Put a sample memory folder into the workspace `demo`.")] = False,
    log_level: Annotated[
        Level | None, typer.Option(help="Default: LOG_LEVEL, else info.", case_sensitive=False)
    ] = None,
) -> None:
    """Run a whole hub in the foreground.

    Web, API, worker, scheduler, PostgreSQL and Valkey. Ctrl-C stops it all.
    """
    if missing := [name for name in ("django", "granian", "psycopg") if find_spec(name) is None]:
        complain(f"A hub needs the server's packages ({missing[0]} is missing): install memoryhub[server,embedded].")
        raise typer.Exit(CANNOT)
    if log_level is not None:
        os.environ["LOG_LEVEL"] = log_level.value.upper()
    if sys.stderr.isatty():
        os.environ.setdefault("LOG_FORMAT", "text")
    with hub_errors():
        from memoryhub.embedded.address import Address
        from memoryhub.embedded.choices import chosen_layout, read_choices
        from memoryhub.embedded.supervisor import Supervisor

        choices = read_choices(os.environ, Path.cwd())
        layout = chosen_layout(data, choices, os.environ)

        def on_ready(supervisor: "Supervisor") -> None:
            if demo:
                _load_demo(supervisor)
            _say_where_to_go(supervisor)

        Supervisor(layout, Address(host, port), choices, _say).run(on_ready)


def _say(line: str) -> None:
    print(line, flush=True)


def _load_demo(supervisor: "Supervisor") -> None:
    done = supervisor.run_step("memoryhub.embedded.demo", supervisor.address.url)
    _say(f"Demo       workspace {done['workspace']}: {done['written']} files written, {done['unchanged']} were there")


def _say_where_to_go(supervisor: "Supervisor") -> None:
    from memoryhub.embedded.layout import data_directory

    data, url = supervisor.layout.data, supervisor.address.url
    option = "" if data == data_directory(None, "", os.environ) else f" --data {shlex.quote(str(data))}"
    # The script of a clone says how it was called.
    command = os.environ.get("HUB_COMMAND", "memoryhub")
    _say(f"Ready      {url}  (console {url}/admin/, API {url}/docs)")
    if (own := supervisor.choices.coordinator) is not None:
        _say(f"Agents     {own.url}  (coordinator of {supervisor.choices.given['AGMEM_COORDINATOR_WORKSPACE']})")
    _say(f"Token      {command} token issue default{option}")
    _say("Stop       Ctrl-C")
