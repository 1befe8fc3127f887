"""Where a person's hubs are remembered: addresses in a file, tokens in the system's keyring if there is one."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

SERVICE = "memoryhub"
"""The name in the keyring."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A workspace of a hub. `token` is None while the keyring has it."""

    url: str
    workspace: str
    token: str | None = None


def profiles_file() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "memoryhub" / "profiles.json"


def saved(name: str) -> Profile | None:
    """The profile of this name, with its token where there is one."""
    row = _read().get(name)
    if row is None:
        return None
    profile = Profile(**row)
    if profile.token is None and (keyring := _keyring()) is not None:
        return Profile(profile.url, profile.workspace, keyring.get_password(SERVICE, name))
    return profile


def save(name: str, profile: Profile) -> str:
    """Keeps a profile, and says where its token is: in `the keyring` or in the file, which nobody else may read."""
    kept, place = profile, str(profiles_file())
    if (keyring := _keyring()) is not None:
        keyring.set_password(SERVICE, name, profile.token)
        kept, place = Profile(profile.url, profile.workspace), "the system's keyring"
    rows = _read() | {name: asdict(kept)}
    file = profiles_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as handle:  # noqa: PTH123
        json.dump(rows, handle, indent=2)
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(file)
    return place


def _read() -> dict[str, dict[str, Any]]:
    with suppress(FileNotFoundError):
        rows = json.loads(profiles_file().read_text("utf-8"))
        assert isinstance(rows, dict)
        return rows
    return {}


def _keyring() -> Any:
    """The keyring library, where it is installed and has a place to keep things."""
    try:
        keyring = import_module("keyring")
    except ImportError:
        return None
    # Without any place to keep things its priority is 0.
    return keyring if keyring.get_keyring().priority > 0 else None
