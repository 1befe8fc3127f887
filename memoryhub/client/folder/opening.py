"""The state of a folder, held by one process at a time; and sentences for what keeps it from being used."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memoryhub.client.folder.errors import FolderError
from memoryhub.client.folder.hubside import WORKSPACE
from memoryhub.client.folder.ignoring import OWN_FOLDER
from memoryhub.client.folder.lock import locked
from memoryhub.client.folder.state import State, is_damage, set_aside

STATE_FILE = "state.sqlite3"


@contextmanager
def opened(root: Path, *, is_trial: bool) -> Iterator[State]:
    """Inside, the folder is ours; what ends bound to no workspace, as a first trial does, leaves nothing behind.

    Raises `FolderError`, also for what the system has against it inside.
    """
    if not root.is_dir():
        raise FolderError(f"{root} is not a folder.")
    file = state_file(root)
    with sentences(file), _held(file), _state(file) as state:
        if not is_trial or state.about(WORKSPACE) is not None:
            yield state
            return
        with _state(None) as passing:
            yield passing


@contextmanager
def _held(file: Path) -> Iterator[None]:
    """Inside nobody else uses the state. The folder around it goes again if it is new and still bound to nothing."""
    own = file.parent
    is_new = not own.exists()
    own.mkdir(mode=0o700, exist_ok=True)
    with locked(own / "lock"):
        try:
            yield
        finally:
            if is_new and not _is_bound(file):
                shutil.rmtree(own)


def _is_bound(file: Path) -> bool:
    with _state(file) as state:
        return state.about(WORKSPACE) is not None


def state_file(root: Path) -> Path:
    """Where the state of a folder is, or is to be. Raises `FolderError` where that may be another folder's."""
    own = root / OWN_FOLDER
    for each in (own, own / STATE_FILE):
        if each.is_symlink():
            raise FolderError(f"{each} is a symbolic link, perhaps to what another folder remembers. Remove it.")
    if own.exists() and not own.is_dir():
        raise FolderError(f"{own} is no folder, but the sync keeps its own things in one of that name. Remove it.")
    return own / STATE_FILE


@contextmanager
def _state(file: Path | None) -> Iterator[State]:
    state = State.open(file)
    try:
        yield state
    finally:
        state.close()


@contextmanager
def sentences(file: Path) -> Iterator[None]:
    """A full disk, a folder that may not be read, a damaged state: each becomes a `FolderError`."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise FolderError(f"{file} cannot be used: {error}.") from error
        kept = set_aside(file)
        raise FolderError(
            f"What former syncs knew of the folder was damaged, and is {kept} now. The next run compares everything "
            "and deletes nothing."
        ) from error
    except BrokenPipeError:
        # Of whoever was told, not of the folder.
        raise
    except OSError as error:
        raise FolderError(f"The folder cannot be synced: {error}.") from error
