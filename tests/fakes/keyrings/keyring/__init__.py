"""The library `keyring` as far as we call it. Keeps passwords in the file FAKE_KEYRING, unless it is a folder: locked.

Source: https://pypi.org/project/keyring/, 25.
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace

from keyring.errors import KeyringLocked  # type: ignore[import-not-found]


def get_keyring() -> SimpleNamespace:
    return SimpleNamespace(priority=5)


def get_password(service: str, name: str) -> str | None:
    return _kept().get(f"{service} {name}")


def set_password(service: str, name: str, password: str) -> None:
    kept = _kept() | {f"{service} {name}": password}
    Path(os.environ["FAKE_KEYRING"]).write_text(json.dumps(kept))


def _kept() -> dict[str, str]:
    file = Path(os.environ["FAKE_KEYRING"])
    if file.is_dir():
        raise KeyringLocked("Failed to unlock the collection!")
    return json.loads(file.read_text()) if file.exists() else {}
