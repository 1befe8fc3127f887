"""Where a person's hubs are remembered: addresses in a file, tokens in the system's keyring if there is one."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Self

SERVICE = "memoryhub"
"""The name in the keyring."""


class ProfileError(Exception):
    """A profile cannot be read or kept."""


class DamagedProfiles(ProfileError):
    """The file of profiles is not as it was written."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A workspace of a hub. `token` is None while the keyring has it."""

    url: str
    workspace: str
    token: str | None = field(default=None, repr=False)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Raises AttributeError, KeyError, TypeError, ValueError for what `save` did not write."""
        url, workspace, token = row["url"], row["workspace"], row.get("token")
        if not (isinstance(url, str) and isinstance(workspace, str) and isinstance(token, str | None)):
            raise ValueError("A profile has an address, a workspace, and perhaps a token.")
        return cls(url, workspace, token)


def profiles_file() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "memoryhub" / "profiles.json"


def saved(name: str, *, with_token: bool = True) -> Profile | None:
    """The profile of this name, None if there is none. Raises `ProfileError`.

    With its token, it may be that somebody is asked for the keyring's password.
    """
    profile = _read().get(name)
    if profile is None:
        return None
    if with_token and profile.token is None and (keyring := _keyring()) is not None:
        with _keyring_errors():
            return Profile(profile.url, profile.workspace, keyring.get_password(SERVICE, name))
    return profile


def names() -> list[str]:
    """Of all profiles, in order. Raises `ProfileError`."""
    return sorted(_read())


def set_damaged_aside() -> Path | None:
    """Moves a file of profiles that cannot be read to another name, which is returned; None where it can be read.

    Raises `ProfileError` where it cannot be moved.
    """
    file = profiles_file()
    try:
        _read()
    except DamagedProfiles:
        kept = file.with_name(f"{file.stem}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}{file.suffix}")
        try:
            file.rename(kept)
        except OSError as error:
            raise ProfileError(f"{file} is damaged and cannot be moved away: {error}") from error
        return kept
    return None


def save(name: str, profile: Profile) -> str:
    """Keeps a profile, and says where its token is: in `the system's keyring`, or the path of the file.

    Raises `ProfileError`.
    """
    kept, place = profile, str(profiles_file())
    profiles = _read()
    if (keyring := _keyring()) is not None:
        with _keyring_errors():
            keyring.set_password(SERVICE, name, profile.token)
        kept, place = Profile(profile.url, profile.workspace), "the system's keyring"
    try:
        _write(profiles | {name: kept})
    except OSError as error:
        raise ProfileError(f"The profile cannot be kept: {error}") from error
    return place


def _read() -> dict[str, Profile]:
    """What `_write` wrote, by name. Raises `ProfileError`, for what it cannot have written `DamagedProfiles`."""
    file = profiles_file()
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ProfileError(f"The profiles cannot be read: {error}") from error
    try:
        return {name: Profile.from_json(row) for name, row in json.loads(content).items()}
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise DamagedProfiles(f"{file} is damaged: mend it, or log in again, which keeps it aside.") from error


def _write(profiles: dict[str, Profile]) -> None:
    """Replaces the file as a whole. Whatever lies there, only its owner may read the new one."""
    file = profiles_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.stem)
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as writing:
            json.dump({name: asdict(profile) for name, profile in profiles.items()}, writing, indent=2)
            writing.flush()
            os.fsync(writing.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _keyring() -> Any:
    """The keyring library, where it is installed and has a place to keep things."""
    try:
        keyring = import_module("keyring")
    except ImportError:
        return None
    # Without any place to keep things its priority is 0.
    return keyring if keyring.get_keyring().priority > 0 else None


@contextmanager
def _keyring_errors() -> Iterator[None]:
    """Inside, a keyring that is locked or broken raises `ProfileError`. Call where there is one."""
    try:
        yield
    except import_module("keyring.errors").KeyringError as error:
        raise ProfileError(
            f"The system's keyring does not open: {error}. Unlock it, or go without it by "
            "PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring in the environment."
        ) from error
