"""The files of this repository, as the architecture tests look at them."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

STACK = (
    {"dialects"},
    {"operations"},
    {"connectors", "federation"},
    {"memory", "snapshots"},
    {"files"},
    {"blobs"},
    {"jobs"},
    {"workspaces"},
    {"accounts"},
    {"common"},
)
"""The apps from the top of the stack down; those in one set do not know each other."""


def level(app_label: str) -> int | None:
    """How high an app stands (0 is the bottom), or None for an app that is not ours."""
    for height, labels in enumerate(reversed(STACK)):
        if app_label in labels:
            return height
    return None


def committed_files(*suffixes: str) -> list[Path]:
    """Every file that git tracks or would track, with one of the suffixes (all files without), sorted."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = {ROOT / name for name in listed.stdout.split("\0") if name}
    return sorted(path for path in paths if path.is_file() and (not suffixes or path.suffix in suffixes))


def product_modules() -> list[Path]:
    """The Python modules of `apps/` and `memoryhub/`, migrations apart."""
    return [
        path
        for path in committed_files(".py")
        if path.relative_to(ROOT).parts[0] in {"apps", "memoryhub"} and "migrations" not in path.parts
    ]


def shown(path: Path) -> str:
    """The path as a finding names it: relative to the repository."""
    return path.relative_to(ROOT).as_posix()
