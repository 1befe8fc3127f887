"""A machine with a copy of a workspace's files, as small as a client can be that loses nobody's work."""

from typing import Any

import httpx


class Conflict(Exception):
    """Somebody else has changed the file; `version` is what they made."""

    def __init__(self, version: int | None) -> None:
        super().__init__(version)
        self.version = version


class Machine:
    """`files` are its copies, `versions` what it last saw of each path, and the cursor is how far it has read."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._cursor = ""
        self.files: dict[str, bytes] = {}
        self.versions: dict[str, int] = {}

    def join(self) -> None:
        """Takes over all that there is."""
        index = self._client.get("/index").raise_for_status().json()
        columns, *rows = index["files"]
        for row in rows:
            entry = dict(zip(columns, row, strict=True))
            self._fetch(entry["path"])
        self._cursor = index["cursor"]

    def sync(self) -> list[str]:
        """Takes over what others have changed since; the paths whose state was news, in order."""
        news = []
        has_more = True
        while has_more:
            page = self._client.get("/changes", params={"since": self._cursor}).raise_for_status().json()
            for item in page["items"]:
                if self.versions.get(item["path"]) == item["version"]:
                    continue
                news.append(item["path"])
                if item["is_deleted"]:
                    self.files.pop(item["path"], None)
                    self.versions[item["path"]] = item["version"]
                else:
                    self._fetch(item["path"])
            self._cursor, has_more = page["cursor"], page["has_more"]
        return sorted(news)

    def write(self, path: str, data: bytes) -> None:
        """Puts the file where the hub has what this machine last saw of it. Raises `Conflict`."""
        change = self._said(self._client.put(f"/files/{path}", content=data, headers=self._expected(path)))
        self.files[path], self.versions[path] = data, change["version"]

    def delete(self, path: str) -> None:
        """Raises `Conflict`."""
        change = self._said(self._client.delete(f"/files/{path}", headers=self._expected(path)))
        del self.files[path]
        self.versions[path] = change["version"]

    def revert(self, path: str, version: int) -> None:
        """Makes an old version the newest."""
        body = {"items": [{"path": path, "version": version, "if_version": "any"}]}
        self._client.post("/files:revert", json=body).raise_for_status()
        self._fetch(path)

    def history(self, path: str) -> list[dict[str, Any]]:
        """The versions of a path, newest first."""
        items: list[dict[str, Any]] = self._client.get(f"/history/{path}").raise_for_status().json()["items"]
        return items

    def read_version(self, path: str, version: int) -> bytes:
        return self._client.get(f"/files/{path}", params={"version": version}).raise_for_status().content

    def _expected(self, path: str) -> dict[str, str]:
        return {"If-Match": f'"{self.versions[path]}"'} if path in self.files else {"If-None-Match": "*"}

    def _said(self, answer: httpx.Response) -> dict[str, Any]:
        if answer.status_code == httpx.codes.PRECONDITION_FAILED:
            raise Conflict(answer.json()["version"])
        change: dict[str, Any] = answer.raise_for_status().json()
        return change

    def _fetch(self, path: str) -> None:
        answer = self._client.get(f"/files/{path}").raise_for_status()
        self.files[path] = answer.content
        self.versions[path] = int(answer.headers["ETag"].strip('"'))
