"""How a folder stands, without a word to the hub."""

from contextlib import closing
from datetime import datetime
from pathlib import Path

from memoryhub.client.folder.decisions import Step, decide
from memoryhub.client.folder.errors import FolderError
from memoryhub.client.folder.files import InTheWay, Tree
from memoryhub.client.folder.filesystems import probe
from memoryhub.client.folder.hubside import ADDRESS, PREFIX, SYNCED_AT, WORKSPACE
from memoryhub.client.folder.ignoring import Ignored
from memoryhub.client.folder.opening import sentences, state_file
from memoryhub.client.folder.plans import local_sha256
from memoryhub.client.folder.scanning import scan
from memoryhub.client.folder.spelling import Spelling
from memoryhub.client.folder.state import Difference, State


def status_of(root: Path) -> dict[str, str | int | None]:
    """Where the folder belongs, when it was last in step, and how many files a sync would have something to do with.

    Reads the files that look different. Raises `FolderError`.
    """
    file = state_file(root)
    if not file.is_file():
        raise FolderError(f"{root} has never been synced.")
    with sentences(file), closing(State.open(file)) as state:
        if state.about(WORKSPACE) is None:
            raise FolderError(f"{root} has never been synced.")
        address = (state.about(ADDRESS) or " ").split(" ")
        return {
            "url": address[0],
            "workspace": address[1],
            "prefix": state.about(PREFIX) or "",
            "files": state.count(),
            "differences": _differences(root, state),
            "last_in_step": state.about(SYNCED_AT),
        }


def _differences(root: Path, state: State) -> int:
    tree, ignored = Tree(root, now=datetime.now().astimezone()), Ignored.of_folder(root)
    names = probe(tree.parts.parent)
    spelling = Spelling(names, state.paths())
    state.set_local(map(spelling.of, scan(root, ignored, lambda *_: None, lambda *_: None)))
    found = state.differences("", -1, clock_grain_ns=names.clock_grain_ns)
    return sum(_is_to_be_synced(tree, each) for each in found if not ignored.file(each.path))


def _is_to_be_synced(tree: Tree, difference: Difference) -> bool:
    try:
        local = local_sha256(tree, difference)
    except InTheWay:
        return True
    step = decide(difference.base, local, difference.remote, may_delete=True)
    return step not in (Step.NOTHING, Step.ADOPT, Step.FORGET)
