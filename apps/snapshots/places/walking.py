"""Walks through folders in the order in which a bucket lists its keys. Pure."""

from collections.abc import Callable, Iterable, Iterator

from apps.snapshots.places.base import is_name, joined

Entries = Callable[[str], Iterable[tuple[str, bool]]]
"""What lies directly in a folder: last parts of names, and whether each is a folder itself."""


def walk(entries: Entries, folder: str, behind: str) -> Iterator[str]:
    """The whole names of all objects below a folder, by their UTF-8 bytes, from behind the whole name `behind` on.

    One folder is held in memory at a time, and those around it. Folders that end before `behind` are not asked for.
    """
    # A folder sorts as its objects do, by the slash after its name: `a-b` comes before `a/c`. Code points sort as
    # their UTF-8 does.
    found = sorted(
        joined(folder, name) + ("/" if is_folder else "") for name, is_folder in entries(folder) if is_name(name)
    )
    for name in found:
        if not name.endswith("/"):
            if name > behind:
                yield name
        elif name > behind or behind.startswith(name):
            yield from walk(entries, name[:-1], behind)
