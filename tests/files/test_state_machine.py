"""Any sequence of requests against the running hub answers as a dictionary would.

The long form: HUB_TEST_EXAMPLES=500 ./hub test -n0 tests/files/test_state_machine.py
"""

import hashlib
import os
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.live import LiveHub, LiveWorkspace

EXAMPLES = int(os.environ.get("HUB_TEST_EXAMPLES", "8"))
REVOCATION_DELAY_S = 3.5
"""MEMORYHUB_TOKEN_CACHE_S and a little."""

PATHS = st.sampled_from(["a", "a/b", "a/b/c.md", "A", "é/ü", "b", "b0", "with space", "per%cent", "q?m#k"])
PREFIXES = st.sampled_from(["", "a", "a/", "a/b", "b", "é", "nothing"])
BODIES = st.one_of(st.binary(max_size=8), st.sampled_from([b"", b"same", b"x" * 65_536, b"x" * 65_537]))
TYPES = st.sampled_from(["text/plain", "application/octet-stream", "text/markdown; charset=utf-8"])
CONDITIONS = st.sampled_from(["absent", "live", "any", "now", "now", "stale"])


@dataclass(frozen=True)
class State:
    """One version of a path; `data` None is a tombstone."""

    version: int
    data: bytes | None
    content_type: str = ""


@dataclass
class Model:
    """What the hub must hold."""

    paths: dict[str, list[State]] = field(default_factory=dict)
    sequence: int = 0

    def head(self, path: str) -> State | None:
        return self.paths[path][-1] if path in self.paths else None

    def live(self, path: str) -> State | None:
        head = self.head(path)
        return head if head and head.data is not None else None

    def at(self, path: str, version: int) -> State | None:
        return next((state for state in self.paths.get(path, []) if state.version == version), None)

    def write(self, path: str, data: bytes | None, content_type: str = "") -> State:
        self.sequence += 1
        state = State(self.sequence, data, content_type)
        self.paths.setdefault(path, []).append(state)
        return state


class Hub(RuleBasedStateMachine):
    """Each rule makes one request and compares its answer with the model's."""

    hub: LiveHub
    revoked: list[tuple[LiveWorkspace, str]]
    versions = Bundle("versions")
    cursors = Bundle("cursors")
    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        scopes = ["files:read", "files:write", "workspace:admin"]
        self.workspace: LiveWorkspace = self.hub.workspace(scopes=scopes)
        self.client = self.workspace.client()
        self.model = Model()
        self.used: set[str] = set()

    def teardown(self) -> None:
        self.client.close()

    # --- Writing

    @rule(target=versions, path=PATHS, data=BODIES, content_type=TYPES, condition=CONDITIONS)
    def put(self, path: str, data: bytes, content_type: str, condition: str) -> Any:
        headers, query, holds = self._condition(path, condition)
        before = self.model.live(path)
        answer = self.client.put(
            f"/files/{quote(path)}", content=data, headers=headers | {"Content-Type": content_type}, params=query
        )
        if not holds:
            self._refused(answer, path)
            return multiple()
        if before and (before.data, before.content_type) == (data, content_type):
            assert (answer.status_code, answer.json()["result"]) == (200, "unchanged")
            assert answer.json()["version"] == before.version
            return multiple()
        state = self.model.write(path, data, content_type)
        assert answer.status_code == (200 if before else 201)
        self._told(answer.json(), path, state)
        assert answer.headers["ETag"] == f'"{state.version}"'
        return (path, state.version)

    @rule(target=versions, path=PATHS, condition=CONDITIONS)
    def delete(self, path: str, condition: str) -> Any:
        headers, query, holds = self._condition(path, condition)
        answer = self.client.delete(f"/files/{quote(path)}", headers=headers, params=query)
        if not holds:
            self._refused(answer, path)
            return multiple()
        if not self.model.live(path):
            assert answer.status_code == 404
            return multiple()
        state = self.model.write(path, None)
        assert answer.status_code == 200
        self._told(answer.json(), path, state)
        return (path, state.version)

    @rule(target=versions, written=versions, condition=st.sampled_from(["any", "now", "stale"]))
    def revert(self, written: tuple[str, int], condition: str) -> Any:
        path, version = written
        old, head = self.model.at(path, version), self.model.live(path)
        assert old is not None
        number = {"any": "any", "now": head.version if head else 0, "stale": 2**40 - 1}[condition]
        answer = self.client.post(
            "/files:revert", json={"items": [{"path": path, "version": version, "if_version": number}]}
        )
        if condition == "stale":
            self._refused(answer, path)
            return multiple()
        if old.data is None:
            if head is None:
                assert answer.status_code == 404
                return multiple()
            state = self.model.write(path, None)
        elif head and (head.data, head.content_type) == (old.data, old.content_type):
            assert answer.json()["items"][0]["result"] == "unchanged"
            return multiple()
        else:
            state = self.model.write(path, old.data, old.content_type)
        assert answer.status_code == 200, answer.text
        self._told(answer.json()["items"][0], path, state)
        return (path, state.version)

    # --- Reading

    @rule(path=PATHS)
    def get(self, path: str) -> None:
        self._shows(self.client.get(f"/files/{quote(path)}"), self.model.live(path))

    @rule(path=PATHS)
    def head(self, path: str) -> None:
        answer, state = self.client.head(f"/files/{quote(path)}"), self.model.live(path)
        assert answer.content == b""
        assert answer.status_code == (200 if state else 404)
        if state:
            assert answer.headers["Content-Length"] == str(len(state.data or b""))
            assert answer.headers["ETag"] == f'"{state.version}"'

    @rule(written=versions)
    def get_version(self, written: tuple[str, int]) -> None:
        path, version = written
        state = self.model.at(path, version)
        assert state is not None
        answer = self.client.get(f"/files/{quote(path)}", params={"version": version})
        self._shows(answer, state if state.data is not None else None)

    @rule(path=PATHS, first=st.integers(0, 70_000), size=st.integers(1, 70_000))
    def get_range(self, path: str, first: int, size: int) -> None:
        answer = self.client.get(f"/files/{quote(path)}", headers={"Range": f"bytes={first}-{first + size - 1}"})
        state = self.model.live(path)
        if state is None:
            assert answer.status_code == 404
        elif first >= len(state.data or b""):
            assert answer.status_code == 416
        else:
            assert answer.status_code == 206
            assert answer.content == (state.data or b"")[first : first + size]

    @rule(path=PATHS)
    def get_again(self, path: str) -> None:
        state = self.model.live(path)
        tag = f'"{state.version}"' if state else '"1"'
        answer = self.client.get(f"/files/{quote(path)}", headers={"If-None-Match": tag})
        assert answer.status_code == (304 if state else 404)

    @rule(target=cursors, prefix=PREFIXES, tombstones=st.booleans())
    def index(self, prefix: str, tombstones: bool) -> Any:
        answer = self.client.get("/index", params={"prefix": prefix, "tombstones": str(tombstones).lower()}).json()
        folder = f"{prefix.removesuffix('/')}/" if prefix else ""
        wanted = sorted(
            (
                path
                for path, states in self.model.paths.items()
                if path.startswith(folder) and (tombstones or states[-1].data is not None)
            ),
            key=str.encode,
        )
        assert [row[0] for row in answer["files"][1:]] == wanted
        for path, version, size_bytes, *_, is_deleted, _ in answer["files"][1:]:
            state = self.model.paths[path][-1]
            assert (version, size_bytes, is_deleted) == (state.version, len(state.data or b""), state.data is None)
        assert answer["sequence"] == self.model.sequence
        return (answer["cursor"], self.model.sequence)

    @rule(target=cursors, since=cursors, limit=st.sampled_from([1, 2, 1000]))
    def changes(self, since: tuple[str, int], limit: int) -> Any:
        cursor, sequence = since
        wanted = sorted(
            (states[-1].version, path) for path, states in self.model.paths.items() if states[-1].version > sequence
        )
        answer = self.client.get("/changes", params={"since": cursor, "limit": limit}).json()
        assert [(item["version"], item["path"]) for item in answer["items"]] == wanted[:limit]
        assert answer["has_more"] == (len(wanted) > limit)
        for item in answer["items"]:
            self._told(item, item["path"], self.model.paths[item["path"]][-1])
        return (answer["cursor"], answer["items"][-1]["version"] if answer["has_more"] else self.model.sequence)

    @rule(path=PATHS)
    def history(self, path: str) -> None:
        answer = self.client.get(f"/history/{quote(path)}")
        states = self.model.paths.get(path)
        assert answer.status_code == (200 if states else 404)
        if states:
            told = [(item["version"], item["is_deleted"], item["size_bytes"]) for item in answer.json()["items"]]
            assert told == [(state.version, state.data is None, len(state.data or b"")) for state in states[:-101:-1]]

    # --- Tokens

    @rule(target=tokens)
    def issue_token(self) -> tuple[str, str]:
        answer = self.client.post("/tokens", json={"scopes": ["files:read"]})
        assert answer.status_code == 201
        return answer.json()["id"], answer.json()["token"]

    @rule(token=tokens)
    def use_token(self, token: tuple[str, str]) -> None:
        self.used.add(token[1])
        assert self._with(token[1]).status_code == 200

    @rule(token=consumes(tokens))
    def revoke_token(self, token: tuple[str, str]) -> None:
        """One that no process remembers is refused at once; the others are asked for at the end of the test."""
        assert self.client.delete(f"/tokens/{token[0]}").status_code == 204
        if token[1] in self.used:
            self.revoked.append((self.workspace, token[1]))
        else:
            assert self._with(token[1]).status_code == 401

    @initialize(target=cursors)
    def begin(self) -> tuple[str, int]:
        return self.client.get("/changes").json()["cursor"], 0

    @invariant()
    def usage_agrees(self) -> None:
        """Only every now and then: it is a request as well."""
        if self.model.sequence % 7 == 3:
            usage = self.client.get(self.workspace.url).json()["usage"]
            live = [state.data for states in self.model.paths.values() if (state := states[-1]).data is not None]
            assert (usage["live_files"], usage["live_bytes"]) == (len(live), sum(map(len, live)))

    # --- What answers say

    def _condition(self, path: str, kind: str) -> tuple[dict[str, str], dict[str, str], bool]:
        """Headers, query, and whether it holds."""
        state = self.model.live(path)
        match kind:
            case "absent":
                return {"If-None-Match": "*"}, {}, state is None
            case "live":
                return {"If-Match": "*"}, {}, state is not None
            case "now" if state:
                return {"If-Match": f'"{state.version}"'}, {}, True
            case "stale":
                old = state.version - 1 if state else self.model.sequence
                return {"If-Match": f'"{old}"'}, {}, False
        return {}, {"overwrite": "true"}, True

    def _refused(self, answer: httpx.Response, path: str) -> None:
        state = self.model.live(path)
        assert answer.status_code == 412
        told = answer.json()
        assert told["version"] == (state.version if state else None)
        assert told["sha256"] == (hashlib.sha256(state.data or b"").hexdigest() if state else None)

    def _told(self, told: dict[str, Any], path: str, state: State) -> None:
        assert (told["path"], told["version"]) == (path, state.version)
        assert told["is_deleted"] == (state.data is None)
        assert told["size_bytes"] == len(state.data or b"")
        assert told["sha256"] == (None if state.data is None else hashlib.sha256(state.data).hexdigest())

    def _shows(self, answer: httpx.Response, state: State | None) -> None:
        if state is None:
            assert answer.status_code == 404
        else:
            assert (answer.status_code, answer.content) == (200, state.data)
            assert answer.headers["Content-Type"] == state.content_type
            assert answer.headers["ETag"] == f'"{state.version}"'

    def _with(self, token: str) -> httpx.Response:
        return self.client.get("/changes", headers={"Authorization": f"Bearer {token}"})


def test_the_hub_answers_as_a_dictionary_would(live_hub: LiveHub) -> None:
    revoked: list[tuple[LiveWorkspace, str]] = []
    machine = type("HubOfThisTest", (Hub,), {"hub": live_hub, "revoked": revoked})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        ),
    )

    if revoked:
        time.sleep(REVOCATION_DELAY_S)
    for workspace, token in revoked:
        answer = httpx.get(f"{workspace.url}/changes", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
        assert answer.status_code == 401
