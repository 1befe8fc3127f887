"""The Python client of a hub.

from memoryhub.client import Client

with Client("http://127.0.0.1:8000", token, "default") as hub:
    hub.put("notes/today.md", b"...", if_version=0, content_type="text/markdown")
    print(hub.read("notes/today.md"))
"""

from memoryhub.client.asynchronous import AsyncClient
from memoryhub.client.blocking import Client
from memoryhub.client.errors import (
    ConnectionFailed,
    CursorExpired,
    DamagedAnswer,
    HubError,
    Invalid,
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
    FileState,
    History,
    Put,
    RefusedItem,
    Revert,
    StoredFile,
    Transfer,
    Version,
    WorkspaceInfo,
)

__all__ = [
    "ANY",
    "AsyncClient",
    "Change",
    "Changes",
    "Client",
    "ConnectionFailed",
    "CursorExpired",
    "DamagedAnswer",
    "Delete",
    "FileState",
    "History",
    "HubError",
    "Index",
    "Invalid",
    "NotFound",
    "OutOfRoom",
    "PreconditionFailed",
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
