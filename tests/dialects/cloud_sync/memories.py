"""What the unmodified command line of "memories" does with a service, re-built from its contract."""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

TIMEOUT_S = 30.0
DEFAULT_URL = "http://localhost:8900"
Human = Callable[[dict[str, Any]], list[str]]


class Failed(Exception):
    """With the code that the envelope names, and the exit code."""

    def __init__(self, code: str, exit_code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.exit_code = exit_code


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        """What the envelope of a success holds."""
        envelope = json.loads(self.out)
        assert (envelope["ok"], self.code, self.err) == (True, 0, "")
        found: dict[str, Any] = envelope["data"]
        return found

    @property
    def error(self) -> tuple[int, str]:
        """Exit code, and the code of the envelope of a failure."""
        envelope = json.loads(self.err)
        assert (envelope["ok"], self.out) == (False, "")
        return self.code, envelope["code"]


@dataclass
class Memories:
    """One installation: its environment, its `config.json`, and whether it stands at a terminal."""

    environment: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    is_terminal: bool = False
    transport: httpx.BaseTransport | None = None
    sent: list[tuple[str, str, Any]] = field(default_factory=list)
    """Method, path and JSON body of each request."""

    def run(self, *arguments: str, typed: str = "") -> Finished:
        """Runs `memories ARGUMENTS`; `typed` answers its question."""
        told = _parser().parse_args(arguments)
        is_json = told.json or not (told.pretty or self.is_terminal)
        self._told = told
        try:
            data, human = self._done(told, typed)
        except Failed as error:
            envelope = json.dumps({"ok": False, "error": str(error), "code": error.code})
            return Finished(error.exit_code, "", envelope if is_json else f"Error: {error}")
        if data is None:
            return Finished(0, "Aborted.", "")
        out = json.dumps({"ok": True, "data": data}) if is_json else "\n".join(human(data))
        return Finished(0, out, "")

    def _done(self, told: argparse.Namespace, typed: str) -> tuple[dict[str, Any] | None, Human]:
        match told.group, told.verb:
            case "sync", "status":
                return self._ask("GET", "/sync/status"), _status
            case "sync", "upload":
                return self._ask("POST", "/sync/upload"), _message
            case "sync", "snapshots":
                return self._ask("GET", "/sync/snapshots"), _snapshots
            case "sync", "download":
                name = {} if told.backup_name is None else {"backup_name": told.backup_name}
                return self._ask("POST", "/sync/download", {"confirm": told.confirm, **name}), _message
            case "sync", "restore":
                return self._ask("POST", f"/sync/restore/{told.name}", {"confirm": told.confirm}), _message
            case "backup", "create":
                return self._ask("POST", "/backup", {"prefix": told.prefix}), _created
            case "backup", "list":
                return self._ask("GET", "/backups"), _backups
        if not told.yes and typed.lower() not in ("y", "yes"):
            return None, _message
        data = self._ask("POST", "/restore", {"backup_name": told.name})
        return data, lambda found: [f"Restored {_first(found, 'restored', 'count')} memories from '{told.name}'"]

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        self.sent.append((method, path, body))
        key = self._setting(self._told.api_key, "api_key", "MEMORIES_API_KEY", "")
        url = self._setting(self._told.url, "url", "MEMORIES_URL", DEFAULT_URL)
        headers = {"X-API-Key": key} if key else {}
        given: dict[str, Any] = {"transport": self.transport} if self.transport else {"trust_env": False}
        with httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT_S, **given) as http:
            try:
                answer = http.request(method, path, **({} if body is None else {"json": body}))
            except (httpx.ConnectError, httpx.TimeoutException) as error:
                raise Failed("CONNECTION_ERROR", 3, str(error)) from error
        match answer.status_code:
            case 401 | 403:
                raise Failed("AUTH_REQUIRED", 4, f"Authentication failed: {answer.status_code}")
            case 404:
                raise Failed("NOT_FOUND", 2, f"Not found: {path}")
        if not answer.is_success:
            raise Failed("GENERAL_ERROR", 1, f"{answer.status_code}: {answer.text}")
        found: dict[str, Any] = answer.json()
        return found

    def _setting(self, flag: str | None, name: str, variable: str, default: str) -> str:
        return flag or self.config.get(name) or self.environment.get(variable) or default


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("memories")
    parser.add_argument("--url")
    parser.add_argument("--api-key")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pretty", action="store_true")
    groups = parser.add_subparsers(dest="group", required=True)
    sync = groups.add_parser("sync").add_subparsers(dest="verb", required=True)
    for verb in ("status", "upload", "snapshots"):
        sync.add_parser(verb)
    download, restore = sync.add_parser("download"), sync.add_parser("restore")
    download.add_argument("--backup-name")
    restore.add_argument("name")
    for each in (download, restore):
        each.add_argument("--confirm", action="store_true")
    backup = groups.add_parser("backup").add_subparsers(dest="verb", required=True)
    backup.add_parser("list")
    backup.add_parser("create").add_argument("--prefix", default="manual")
    local = backup.add_parser("restore")
    local.add_argument("name")
    local.add_argument("--yes", "-y", action="store_true")
    return parser


def _first(data: Mapping[str, Any], *names: str) -> Any:
    return next((data[name] for name in names if name in data), "?")


def _message(data: dict[str, Any]) -> list[str]:
    return [str(_first(data, "message", "status"))]


def _status(data: dict[str, Any]) -> list[str]:
    lines = [f"Sync enabled: {data.get('enabled', False)}"]
    for label, name in (("Latest remote", "latest_remote"), ("Latest local", "latest_local")):
        lines += [f"{label}: {data[name]}"] if data.get(name) else []
    for label, name in (("Remote snapshots", "remote_count"), ("Local snapshots", "local_count")):
        lines += [f"{label}: {data[name]}"] if data.get(name) is not None else []
    return lines


def _snapshots(data: dict[str, Any]) -> list[str]:
    return [f"  {each['name']}" for each in data["snapshots"]] or ["No snapshots found."]


def _created(data: dict[str, Any]) -> list[str]:
    return [f"Backup created: {_first(data, 'path', 'backup', 'name')}"]


def _backups(data: dict[str, Any]) -> list[str]:
    found = [(each.get("name", "?"), each.get("created_at", each.get("date", ""))) for each in data["backups"]]
    return [f"  {name}  ({date})" if date else f"  {name}" for name, date in found] or ["No backups found."]
