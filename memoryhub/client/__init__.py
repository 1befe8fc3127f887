"""The Python client of a hub.

from memoryhub.client import Client

with Client("http://127.0.0.1:8000", token, "default") as hub:
    hub.put("notes/today.md", b"...", if_version=0, content_type="text/markdown")
    print(hub.read("notes/today.md"))
"""

from typing import TYPE_CHECKING, Any

from memoryhub.client.blocking import Client
from memoryhub.client.errors import (
    ChangedWhileSent,
    ConnectionFailed,
    CursorExpired,
    DamagedAnswer,
    HubError,
    Invalid,
    Moved,
    NotFound,
    OutOfRoom,
    PreconditionFailed,
    Refused,
    ScopeMissing,
    TooLarge,
    TryLater,
    Unauthorized,
)
from memoryhub.client.index import Index
from memoryhub.client.retrying import Retries
from memoryhub.client.values import (
    ANY,
    Change,
    Changes,
    Delete,
    FileInfo,
    FileState,
    History,
    Purged,
    Put,
    RefusedItem,
    Revert,
    StoredFile,
    Transfer,
    Version,
    WorkspaceInfo,
)

if TYPE_CHECKING:
    from memoryhub.client.asynchronous import AsyncClient

__all__ = [
    "ANY",
    "AsyncClient",
    "Change",
    "ChangedWhileSent",
    "Changes",
    "Client",
    "ConnectionFailed",
    "CursorExpired",
    "DamagedAnswer",
    "Delete",
    "FileInfo",
    "FileState",
    "History",
    "HubError",
    "Index",
    "Invalid",
    "Moved",
    "NotFound",
    "OutOfRoom",
    "PreconditionFailed",
    "Purged",
    "Put",
    "Refused",
    "RefusedItem",
    "Retries",
    "Revert",
    "ScopeMissing",
    "StoredFile",
    "TooLarge",
    "Transfer",
    "TryLater",
    "Unauthorized",
    "Version",
    "WorkspaceInfo",
]


def __getattr__(name: str) -> Any:
    """Imports `AsyncClient`: asyncio costs more than a third of what it takes to find that a folder is in step."""
    if name == "AsyncClient":
        from memoryhub.client.asynchronous import AsyncClient  # noqa: PLC0415 - only when it is asked for

        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
