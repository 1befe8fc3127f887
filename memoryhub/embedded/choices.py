"""Decides, service by service, what a hub uses: what the operator's settings name, else its own."""

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from memoryhub.embedded.address import Address
from memoryhub.embedded.errors import HubError
from memoryhub.embedded.layout import Layout, data_directory, write_private
from memoryhub.routing import RoutingError, checked_routes
from memoryhub.settings.env import SettingsError, Values, read

# Each key is made once; losing it makes tokens or stored secrets useless, so it lies beside the data.
KEY_MAKERS = {
    "MEMORYHUB_SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "MEMORYHUB_TOKEN_KEY": lambda: f"k1:{secrets.token_hex(32)}",
    "MEMORYHUB_SECRETS_KEY": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
}
DATA_VARIABLE = "MEMORYHUB_DATA"
DATABASE_PASSWORD = "postgres_password"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the operator's settings leave to the hub. `given` is the operator's part, as the settings read it."""

    given: Values

    @property
    def own_database(self) -> bool:
        return "DATABASE_URL" not in self.given.given

    @property
    def own_redis(self) -> bool:
        return "REDIS_URL" not in self.given.given

    @property
    def own_blobs(self) -> bool:
        return "S3_BUCKET" not in self.given.given

    @property
    def coordinator(self) -> Address | None:
        """Where agents find the coordinator alone, if anywhere."""
        host, port = self.given["AGMEM_COORDINATOR_HOST"], self.given["AGMEM_COORDINATOR_PORT"]
        return Address(host, port, chosen_by="AGMEM_COORDINATOR_PORT") if port else None


def read_choices(environment: Mapping[str, str], directory: Path) -> Choices:
    """From the environment and the `.env` file in `directory`. Raises HubError where a setting is wrong."""
    try:
        given = read(environment, directory)
        # The web server would find these too, but only after the database was made and its password shown.
        checked_routes(given)
        return Choices(given)
    except (SettingsError, RoutingError) as error:
        raise HubError(str(error)) from error


def chosen_layout(option: Path | None, choices: Choices, environment: Mapping[str, str]) -> Layout:
    """The data directory of `--data`, else of MEMORYHUB_DATA in the environment or the `.env` file, else the usual."""
    named = str(choices.given[DATA_VARIABLE]) if DATA_VARIABLE in choices.given.given else ""
    return Layout(data_directory(option, named, environment))


def hub_environment(
    layout: Layout,
    choices: Choices,
    environment: Mapping[str, str],
    *,
    database_url: str | None,
    redis_url: str | None,
    make_keys: bool,
) -> dict[str, str]:
    """The whole environment of the hub's processes. An address is None where the operator's own is used.

    With `make_keys` keys that are missing are made and kept; without it that is a HubError, since a new key beside
    old data would only hide the loss.
    """
    package_home = str(Path(__file__).resolve().parents[2])
    decided = {DATA_VARIABLE: str(layout.data)}
    decided["PYTHONPATH"] = ":".join(part for part in (package_home, environment.get("PYTHONPATH", "")) if part)
    if database_url is not None:
        decided["DATABASE_URL"] = database_url
    if redis_url is not None:
        decided["REDIS_URL"] = redis_url
    for name, make in KEY_MAKERS.items():
        if name not in choices.given.given:
            decided[name] = kept_secret(layout, name.lower(), make if make_keys else None)
    # An empty NAME_FILE counts as not set, but two names for one secret are refused.
    rest = {name: value for name, value in environment.items() if name.removesuffix("_FILE") not in decided}
    return {"DJANGO_SETTINGS_MODULE": "memoryhub.settings", **rest, **decided}


def kept_secret(layout: Layout, name: str, make: Callable[[], str] | None) -> str:
    """The secret `name` of this data directory; made when it is missing and `make` says how."""
    path = layout.secrets / name
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        if make is None:
            raise HubError(f"{path} is missing: there was never a hub in {layout.data}, or the key is lost.") from None
    except PermissionError:
        raise HubError(f"{path} cannot be read: run this as the user who started the hub.") from None
    secret = make()
    write_private(path, secret + "\n")
    return secret
