"""Keeps the folder's picture of the hub up to date."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from memoryhub.client.blocking import Client
from memoryhub.client.errors import CursorExpired, Invalid, NotFound, ScopeMissing
from memoryhub.client.folder.decisions import Remote
from memoryhub.client.folder.errors import AnotherHub, FolderError
from memoryhub.client.folder.state import State
from memoryhub.client.values import Change, Delete, FileState, Put, RefusedItem, Transfer

CURSOR, WORKSPACE, ADDRESS, PREFIX = "cursor", "workspace", "address", "prefix"
SYNCED_AT = "synced_at"
DELETES_NOTHING = "deletes_nothing"
"""Set while the hub's past is not known: until a whole run has compared everything."""


T = TypeVar("T")


class HubSide:
    """The hub's files below `prefix`, by their paths in the folder."""

    def __init__(self, client: Client, state: State, prefix: str) -> None:
        self._client = client
        self._state = state
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._may_not_write: ScopeMissing | None = None

    def path(self, path: str) -> str:
        """The hub's path of a path in the folder."""
        return self._prefix + path

    def check_identity(self) -> None:
        """Raises `AnotherHub` where the folder is bound to another workspace, or to another folder of it.

        Also `FolderError` where there is no such workspace.
        """
        bound = self._state.about(WORKSPACE)
        if bound is None:
            return
        if self._state.about(PREFIX) != self._prefix:
            raise AnotherHub(
                f"This folder is in step with '{self._state.about(PREFIX)}' of the workspace, not with "
                f"'{self._prefix}'. Sync another folder, or remove .memoryhub to begin anew."
            )
        if self._state.about(ADDRESS) != self._address:
            with self._sentence():
                self._check_workspace(bound)
            self._state.set_about(ADDRESS, self._address)

    def refresh(self) -> None:
        """Takes in what has changed on the hub; everything, where the feed does not reach back.

        The first time it binds the folder to the workspace. Raises `AnotherHub`, and `FolderError` where there is none.
        """
        with self._sentence():
            self._refresh()

    # --- Writing

    def put(self, path: str, file: Path, *, if_version: int, content_type: str) -> Change:
        """As the client's, of a path in the folder. Raises `ScopeMissing` at once where it was raised before."""
        return self._write(
            lambda: self._client.put(self.path(path), file, if_version=if_version, content_type=content_type)
        )

    def put_many(self, items: Sequence[Put | Delete]) -> list[Change | RefusedItem]:
        """As the client's; where the token may not write, every item is refused."""
        try:
            return self._write(lambda: self._client.put_many(items)) if items else []
        except ScopeMissing as error:
            return [RefusedItem(item.path, error) for item in items]

    def move(self, path: str, target: str, *, version: int) -> None:
        """Gives a file in this version another name, which is free. Raises as the client's, and as `put`."""
        item = Transfer(self.path(path), self.path(target), source_version=version)
        self._write(lambda: self._client.move([item]))

    def _write(self, call: Callable[[], T]) -> T:
        """Nothing more is sent after the hub has said that the token may not write."""
        if self._may_not_write is not None:
            raise self._may_not_write
        try:
            return call()
        except ScopeMissing as error:
            self._may_not_write = error
            raise

    # --- Reading

    def _refresh(self) -> None:
        cursor, bound = self._state.about(CURSOR), self._state.about(WORKSPACE)
        if cursor is None or bound is None:
            return self._take_all(bound or self._client.info().id, tombstones=False)
        try:
            return self._take_news(cursor)
        except CursorExpired:
            pass
        except Invalid as error:
            # The cursor of one workspace is no cursor of another.
            if error.code != "bad_cursor":
                raise
        self._check_workspace(bound)
        return self._take_all(bound, tombstones=True)

    @property
    def _address(self) -> str:
        target = self._client.target
        return f"{target.url.rstrip('/')} {target.workspace}"

    @contextmanager
    def _sentence(self) -> Iterator[None]:
        """Inside, what is not found can only be the workspace."""
        try:
            yield
        except NotFound as error:
            name = self._client.target.workspace
            raise FolderError(f"The hub has no workspace {name} that the token may see.") from error

    def _check_workspace(self, bound: str) -> None:
        if self._client.info().id != bound:
            raise AnotherHub(
                "This folder belongs to another workspace, perhaps of another hub. Sync another folder, or remove "
                ".memoryhub to begin anew; nothing is deleted then, and both sides' files are kept."
            )

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

    def _take_all(self, workspace: str, *, tombstones: bool) -> None:
        bound = {WORKSPACE: workspace, PREFIX: self._prefix, ADDRESS: self._address}
        with (
            self._client.index_stream(self._prefix.rstrip("/"), tombstones=tombstones) as (cursor, files),
            self._state.transaction(),
        ):
            self._state.replace_remote(self._below(files))
            for name, value in (bound | {CURSOR: cursor}).items():
                self._state.set_about(name, value)
            if tombstones:
                self._state.set_about(DELETES_NOTHING, "yes")

    def _below(self, files: Iterable[FileState]) -> Iterable[tuple[str, Remote]]:
        for file in files:
            if file.path.startswith(self._prefix):
                yield file.path.removeprefix(self._prefix), Remote(file.version, file.sha256, file.size_bytes)
