"""What a running hub says about itself, for the other commands on the same data directory."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from memoryhub.embedded.choices import Choices, chosen_layout, hub_environment, read_choices
from memoryhub.embedded.errors import HubError
from memoryhub.embedded.layout import Layout, is_running


@dataclass(frozen=True, slots=True)
class RunningHub:
    """`database_url` and `redis_url` are None where the hub uses the operator's own; so are the places of PostgreSQL.

    `postgres_programs` is the directory of `pg_dump` and the rest that fit the server, `postgres_sockets` its `--host`.
    """

    pid: int
    url: str
    started_at: int
    database_url: str | None
    redis_url: str | None
    postgres_programs: str | None = None
    postgres_sockets: str | None = None
    uses_bucket: bool = False

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


def hub_beside(layout: Layout, choices: Choices) -> RunningHub | None:
    """As `running_hub`; but None when none runs here and DATABASE_URL names the database of one that runs elsewhere."""
    try:
        if not choices.own_database and not is_running(layout):
            return None
    except PermissionError:
        return None
    return running_hub(layout)


def environment_of(option: Path | None, environment: Mapping[str, str], directory: Path) -> dict[str, str]:
    """The environment for a command on a hub: the one that DATABASE_URL names, else the one on the data directory.

    `option` is `--data`, `directory` where a `.env` file may lie. Raises HubError where there is no such hub.
    """
    choices = read_choices(environment, directory)
    layout = chosen_layout(option, choices, environment)
    own = running_hub(layout) if choices.own_database else None
    if own is not None:
        _refuse_other_services(own, choices, layout)
    return hub_environment(
        layout,
        choices,
        environment,
        database_url=own.database_url if own is not None else None,
        redis_url=own.redis_url if own is not None and choices.own_redis else None,
        make_keys=False,
    )


def _refuse_other_services(own: RunningHub, choices: Choices, layout: Layout) -> None:
    """Raises HubError where a command would ask another database or storage than the hub, and find nothing there."""
    for is_elsewhere, what, name in (
        (own.database_url is None, "database", "DATABASE_URL"),
        (own.uses_bucket and choices.own_blobs, "bucket", "S3_BUCKET"),
    ):
        if is_elsewhere:
            raise HubError(
                f"The hub on {layout.data} uses the {what} that {name} named when it was started: set {name} here too."
            )
