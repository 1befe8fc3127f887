"""Machines that keep a folder each in step with one workspace."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memoryhub.client import Client
from memoryhub.client.folder import filesystems
from memoryhub.client.folder.engine import Folder, Options
from memoryhub.client.folder.report import Done, Report
from tests.client.conftest import QUICK
from tests.live import LiveWorkspace

NOW = datetime(2026, 5, 4, 3, 2, tzinfo=UTC)


class Machine:
    """A folder, and the sync of it. `told` is what the last sync said, as (what, path, about).

    `then` is called with what was done and the path, while the sync still runs.
    """

    def __init__(self, root: Path, workspace: LiveWorkspace, name: str, *, url: str | None = None) -> None:
        self.root = root
        self.name = name
        self.workspace = workspace
        self.client = Client(url or workspace.hub_url, workspace.token, workspace.slug, retries=QUICK)
        self.told: list[tuple[str, str, str]] = []
        self.then: Callable[[str, str], object] = lambda *_: None
        root.mkdir(parents=True, exist_ok=True)

    def sync(self, **options: Any) -> Report:
        return self.folder(**options).sync()

    def folder(self, *, now: Callable[[], datetime] = lambda: NOW, **options: Any) -> Folder:
        self.told = []
        probe = options.pop("file_system", filesystems.probe)
        chosen = Options(host=self.name, **options)
        return Folder(self.root, self.client, chosen, listener=self._hear, now=now, file_system=probe)

    def _hear(self, done: Done, path: str, about: str) -> None:
        self.told.append((str(done), path, about))
        self.then(str(done), path)

    def write(self, path: str, text: str | bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)

    def remove(self, path: str) -> None:
        (self.root / path).unlink()

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    @property
    def files(self) -> dict[str, str]:
        """What somebody who looks into the folder sees."""
        return self._files(self.root, lambda path: path.parts[0] != ".memoryhub")

    @property
    def trash(self) -> dict[str, str]:
        return self._files(self.root / ".memoryhub" / "trash", lambda _: True)

    @staticmethod
    def _files(root: Path, counts: Callable[[Path], bool]) -> dict[str, str]:
        paths = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
        return {str(path): (root / path).read_bytes().decode("utf-8", "replace") for path in paths if counts(path)}

    def forget(self) -> None:
        """Loses what former syncs left."""
        for file in (self.root / ".memoryhub").glob("state.sqlite3*"):
            file.unlink()
