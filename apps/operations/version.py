"""Which release this is."""

import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]


@cache
def hub_version() -> str:
    """As the installed package says, or as `pyproject.toml` of the clone that runs."""
    try:
        return version("memoryhub")
    except PackageNotFoundError:
        project = tomllib.loads((CLONE / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])
