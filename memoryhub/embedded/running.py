"""What a running hub says about itself, for the other commands on the same data directory."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from memoryhub.embedded.choices import hub_environment, read_choices
from memoryhub.embedded.errors import HubError
from memoryhub.embedded.layout import Layout, is_running


@dataclass(frozen=True, slots=True)
class RunningHub:
    """`database_url` and `redis_url` are None where the hub uses the operator's own."""

    pid: int
    url: str
    started_at: int
    database_url: str | None
    redis_url: str | None

    def to_json(self) -> str:
        return json.dumps(asdict(self)) + "\n"


def running_hub(layout: Layout) -> RunningHub:
    """The hub that runs on this data directory. Raises HubError when there is none, or it is still starting."""
    advice = f"Start one with `memoryhub up --data {layout.data}`, or name its directory with --data or MEMORYHUB_DATA."
    try:
        if not is_running(layout):
            raise HubError(f"No hub runs on {layout.data}. {advice}")
        return RunningHub(**json.loads(layout.state_file.read_text()))
    except FileNotFoundError:
        raise HubError(f"The hub on {layout.data} is still starting; try again when it is ready.") from None
    except PermissionError:
        raise HubError(f"{layout.data} cannot be read: run this as the user who started the hub.") from None


def environment_of(layout: Layout, environment: Mapping[str, str], directory: Path) -> dict[str, str]:
    """The environment for a command on a hub: the one that DATABASE_URL names, else the one that runs on the layout.

    `directory` is where a `.env` file may lie. Raises HubError where there is no such hub.
    """
    choices = read_choices(environment, directory)
    own = running_hub(layout) if choices.own_database else None
    return hub_environment(
        layout,
        choices,
        environment,
        database_url=own.database_url if own is not None else None,
        redis_url=own.redis_url if own is not None and choices.own_redis else None,
        make_keys=False,
    )
