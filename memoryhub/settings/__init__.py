"""Django settings (`DJANGO_SETTINGS_MODULE=memoryhub.settings`), read from the environment when Django asks.

The values live in `memoryhub.settings.hub` and are evaluated on first use, not on import: the command line reads
the table and the environment of this package first, decides which services to start, and only then starts Django.
"""

from importlib import import_module
from typing import Any

HUB = "memoryhub.settings.hub"


def __getattr__(name: str) -> Any:
    if name.isupper():
        return getattr(import_module(HUB), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [name for name in dir(import_module(HUB)) if name.isupper()]
