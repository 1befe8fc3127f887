"""Keeps the folder's picture of the hub up to date."""

from collections.abc import Iterable

from memoryhub.client.blocking import Client
from memoryhub.client.errors import CursorExpired
from memoryhub.client.folder.decisions import Remote
from memoryhub.client.folder.errors import AnotherHub
from memoryhub.client.folder.state import FORMAT, State
from memoryhub.client.values import FileState

CURSOR, WORKSPACE, ADDRESS, PREFIX = "cursor", "workspace", "address", "prefix"
SYNCED_AT = "synced_at"
DELETES_NOTHING = "deletes_nothing"
"""Set while the hub's past is not known: until a whole run has compared everything."""


class HubSide:
    """The hub's files below `prefix`, by their paths in the folder."""

    def __init__(self, client: Client, state: State, prefix: str) -> None:
        self._client = client
        self._state = state
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def path(self, path: str) -> str:
        """The hub's path of a path in the folder."""
        return self._prefix + path

    def check_identity(self) -> None:
        """Binds a new folder to its workspace. Raises `AnotherHub` where it is bound to another one."""
        target = self._client.target
        address = f"{target.url.rstrip('/')} {target.workspace}"
        bound = self._state.about(WORKSPACE)
        if bound is not None and self._state.about(PREFIX) != self._prefix:
            raise AnotherHub(
                f"This folder is in step with '{self._state.about(PREFIX)}' of the workspace, not with "
                f"'{self._prefix}'. Sync another folder, or remove .memoryhub to begin anew."
            )
        if bound is None or self._state.about(ADDRESS) != address:
            self._check_workspace(bound)
            with self._state.transaction():
                self._state.set_about(ADDRESS, address)

    def _check_workspace(self, bound: str | None) -> None:
        found = self._client.info().id
        if bound is not None and found != bound:
            raise AnotherHub(
                "This folder belongs to another workspace, perhaps of another hub. Sync another folder, or remove "
                ".memoryhub to begin anew; nothing is deleted then, and both sides' files are kept."
            )
        with self._state.transaction():
            for name, value in (("format", FORMAT), (WORKSPACE, found), (PREFIX, self._prefix)):
                self._state.set_about(name, value)

    def refresh(self) -> None:
        """Takes in what has changed on the hub; everything, where the feed does not reach back."""
        cursor = self._state.about(CURSOR)
        if cursor is None:
            return self._take_all(tombstones=False)
        try:
            self._take_news(cursor)
        except CursorExpired:
            # A new hub at the old address would answer so too.
            self._check_workspace(self._state.about(WORKSPACE))
            self._take_all(tombstones=True)

    def _take_news(self, cursor: str) -> None:
        while True:
            page = self._client.changes(cursor)
            assert page is not None
            with self._state.transaction():
                self._state.update_remote(self._below(page.items))
                self._state.set_about(CURSOR, page.cursor)
            if not page.has_more:
                return
            cursor = page.cursor

    def _take_all(self, *, tombstones: bool) -> None:
        with (
            self._client.index_stream(self._prefix.rstrip("/"), tombstones=tombstones) as (cursor, files),
            self._state.transaction(),
        ):
            self._state.replace_remote(self._below(files))
            self._state.set_about(CURSOR, cursor)
            if tombstones:
                self._state.set_about(DELETES_NOTHING, "yes")

    def _below(self, files: Iterable[FileState]) -> Iterable[tuple[str, Remote]]:
        for file in files:
            if file.path.startswith(self._prefix):
                yield file.path.removeprefix(self._prefix), Remote(file.version, file.sha256, file.size_bytes)
