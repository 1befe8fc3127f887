"""Which path of the workspace an address means. Pure."""

from typing import ClassVar

from apps.common.errors import DomainError
from apps.files.errors import BadPath
from apps.files.paths import checked_path

INDEX_NAME = ".sync-index.json"
"""The original kept its index under this name and let clients destroy it; clients keep their own copy of it there."""
_OWN_WORDS = frozenset({"sync", "blob", "health"})


class BadNamespace(DomainError):
    code: ClassVar[str] = "bad_namespace"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "The namespace is not allowed"


def file_path(path: str, namespace: str | None = None) -> str:
    """The workspace's path for a blob address; a namespace is a folder. Raises `BadPath`, `BadNamespace`."""
    if namespace is None:
        return _checked(path)
    return checked_path(index_prefix(namespace) + _checked(path))


def index_prefix(namespace: str) -> str:
    """The folder whose files are the namespace, with its slash.

    Raises `BadPath`, or `BadNamespace` where the addresses of the namespace's files would mean something else: they
    are split at their first `/blob/`, and `/sync`, `/blob/` and `/health` come before.
    """
    segments = namespace.split("/")
    if segments[0] in _OWN_WORDS or "blob" in segments:
        raise BadNamespace("A namespace neither begins with sync, blob or health nor holds a folder named blob.")
    return _checked(namespace) + "/"


def _checked(path: str) -> str:
    checked_path(path)
    # Folded, because the clients of some file systems would write it over their own.
    if INDEX_NAME in path.casefold().split("/"):
        raise BadPath("reserved", f"The name {INDEX_NAME} belongs to the sync protocol.")
    return path
