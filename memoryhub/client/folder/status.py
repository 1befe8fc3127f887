"""How a folder stands, without a word to the hub."""

from pathlib import Path

from memoryhub.client.folder.errors import FolderError
from memoryhub.client.folder.files import probe
from memoryhub.client.folder.hubside import ADDRESS, PREFIX, SYNCED_AT
from memoryhub.client.folder.ignoring import OWN_FOLDER, Ignored
from memoryhub.client.folder.scanning import scan
from memoryhub.client.folder.state import State


def status_of(root: Path) -> dict[str, str | int | None]:
    """Where the folder belongs, when it was last in step, and how many files look different since then."""
    own = root / OWN_FOLDER
    if not (own / "state.sqlite3").is_file():
        raise FolderError(f"{root} has never been synced.")
    state = State.open(own / "state.sqlite3")
    try:
        state.set_local(scan(root, Ignored.of_folder(root), lambda *_: None))
        address = (state.about(ADDRESS) or " ").split(" ")
        return {
            "url": address[0],
            "workspace": address[1],
            "prefix": state.about(PREFIX) or "",
            "files": state.count(),
            "differences": state.count_differences(clock_grain_ns=probe(own).clock_grain_ns),
            "last_in_step": state.about(SYNCED_AT),
        }
    finally:
        state.close()
