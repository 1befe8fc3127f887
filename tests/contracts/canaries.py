"""Secrets on their way through a running hub, and everything that the hub leaves behind of them."""

import base64
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import redis

from memoryhub.embedded.binaries import PG_BINDIR_VARIABLE, find_postgres
from memoryhub.embedded.running import environment_of
from tests import services
from tests.live import LiveHub

SLUG = "default"
API = f"/api/v1/workspaces/{SLUG}"
ADMIN_SCOPES = [
    "workspace:admin",
    "files:read",
    "files:write",
    "jobs:read",
    "jobs:write",
    "audit:read",
    "snapshots:read",
    "snapshots:write",
    "federation:push",
    "federation:pull",
]
CLOUD = f"/w/{SLUG}/cloud-sync"
INDEX = f"{API}/index"
REPEATED = 3000
"""Times that the secret of the large file stands in it, which makes it an object."""
END_OF_WATCH = "end-of-watch"
DEADLINE_S = 60


@dataclass
class Canaries:
    """What must not turn up, by name; and what the hub left behind, by place."""

    secrets: dict[str, str] = field(default_factory=dict)
    refusals: list[bytes] = field(default_factory=list)
    places: dict[str, bytes] = field(default_factory=dict)

    def fresh(self, name: str) -> str:
        """A new secret that looks like nothing in particular."""
        self.secrets[name] = f"canary{secrets.token_hex(16)}"
        return self.secrets[name]

    def found_in(self, place: str) -> set[str]:
        """The names of the secrets that stand in a place, in clear or in an encoding that hides nothing."""
        return {name for name, secret in self.secrets.items() if stands_in(secret, self.places[place])}


def stands_in(secret: str, text: bytes) -> bool:
    """Whether a text holds the secret: as it is, percent-encoded, in hexadecimal, or anywhere in base64."""
    return any(form in text for form in _forms(secret.encode()))


def _forms(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield quote(secret, safe="").encode()
    yield secret.hex().encode()
    for offset in range(3):
        # The characters at both ends depend on what stands around the secret.
        encoded = base64.b64encode(bytes(offset) + secret)
        inner = encoded[4 if offset else 0 : -4]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


def hub_environment(canaries: Canaries, heare_url: str, **more: str) -> dict[str, str]:
    """Settings of a hub that takes every kind of credential, all of them canaries; as talkative as it can be."""
    own = {name: f"{canaries.fresh(name)}{secrets.token_hex(8)}" for name in ("MEMORYHUB_SECRET_KEY", "API_KEY")}
    canaries.secrets |= own
    canaries.secrets["MEMORYHUB_TOKEN_KEY"] = secrets.token_hex(32)
    canaries.secrets["MEMORYHUB_SECRETS_KEY"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return {
        **own,
        "MEMORYHUB_TOKEN_KEY": f"canary:{canaries.secrets['MEMORYHUB_TOKEN_KEY']}",
        "MEMORYHUB_SECRETS_KEY": canaries.secrets["MEMORYHUB_SECRETS_KEY"],
        "API_KEY_WORKSPACE": SLUG,
        # A store that nobody runs: what goes wrong with it must not tell the keys either.
        "CLOUD_SYNC_ENABLED": "true",
        "CLOUD_SYNC_BUCKET": "copies",
        "CLOUD_SYNC_ENDPOINT": "http://127.0.0.1:9",
        "CLOUD_SYNC_ACCESS_KEY": canaries.fresh("CLOUD_SYNC_ACCESS_KEY"),
        "CLOUD_SYNC_SECRET_KEY": canaries.fresh("CLOUD_SYNC_SECRET_KEY"),
        "HEARE_AUTH_URL": heare_url,
        "HEARE_AUTH_APP_ID": "memoryhub",
        "MEMORYHUB_OUTBOUND_ALLOW": "127.0.0.1",
        "LOG_LEVEL": "DEBUG",
        "MEMORYHUB_RATE_LIMIT_PUSH": "20/m",
        **more,
    }


class Visitor:
    """Sends requests to a hub and keeps what every refusal says."""

    def __init__(self, hub: LiveHub, canaries: Canaries, token: str) -> None:
        self._canaries = canaries
        self._token = token
        self._http = httpx.Client(base_url=hub.url, timeout=60, trust_env=False)

    def call(
        self,
        method: str,
        url: str,
        expected: int,
        *,
        body: Any = None,
        credentials: Mapping[str, str] | None = None,
        **headers: str,
    ) -> httpx.Response:
        """One request, with the administrator's token or other credentials; the answer's status is checked."""
        named = dict(bearer(self._token) if credentials is None else credentials)
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict):
            named["Content-Type"], body = "application/json", json.dumps(body).encode()
        answer = self._http.request(method, url, content=body, headers=named)
        assert answer.status_code == expected, answer.text
        if answer.is_error:
            self._canaries.refusals += [answer.content, str(answer.headers.multi_items()).encode()]
        return answer

    def post_form(self, url: str, fields: Mapping[str, str]) -> httpx.Response:
        """A form of the console, with the CSRF token of its page."""
        page = self._http.get(url)
        form = {"csrfmiddlewaretoken": _hidden_field(page.text, "csrfmiddlewaretoken"), **fields}
        return self._http.post(url, data=form, headers={"Referer": str(page.url)})

    def session(self) -> str:
        """The value of the console's session cookie."""
        return next(value for name, value in self._http.cookies.items() if "session" in name)


def _hidden_field(page: str, name: str) -> str:
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]


def push(hub: LiveHub, canaries: Canaries, heare_keys: dict[str, str], receiver: str) -> None:
    """Sends every secret on each way that it can take, right and wrong, and lets the hub's jobs run with them."""
    token = hub.workspace(SLUG, scopes=ADMIN_SCOPES).token
    canaries.secrets["token"] = token
    visitor = Visitor(hub, canaries, token)
    _push_files(visitor, canaries)
    _push_credentials(visitor, canaries, heare_keys)
    _push_cloud(visitor, canaries)
    _push_console(hub, visitor, canaries)
    _push_webhooks(visitor, canaries, receiver)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _push_files(visitor: Visitor, canaries: Canaries) -> None:
    query = f"access_token={canaries.fresh('query')}"
    small, large = canaries.fresh("small file").encode(), canaries.fresh("large file").encode()
    visitor.call("PUT", f"{API}/files/small.md?{query}", 422, body=small, If_None_Match="*")
    visitor.call("PUT", f"{API}/files/small.md", 201, body=small, If_None_Match="*")
    visitor.call("PUT", f"{API}/files/large.md", 201, body=large * REPEATED, If_None_Match="*")
    visitor.call("PUT", f"{API}/files/small.md", 412, body=small, If_None_Match="*")
    visitor.call(
        "PUT", f"{API}/files/bad.md", 400, body=large, If_None_Match="*", Content_MD5="AAAAAAAAAAAAAAAAAAAAAA=="
    )
    visitor.call("GET", f"{API}/files/missing.md?{query}", 422)
    visitor.call("GET", f"{API}/index?prefix={canaries.secrets['query']}", 200)
    visitor.call("GET", f"{API}/changes?since={canaries.secrets['query']}", 400)
    visitor.call("POST", f"{API}/files:put", 400, body=small, Content_Type="application/vnd.memoryhub.frames")


def _push_credentials(visitor: Visitor, canaries: Canaries, heare_keys: dict[str, str]) -> None:
    _push_tokens(visitor, canaries)
    right, wrong = canaries.secrets["API_KEY"], canaries.fresh("wrong key")
    visitor.call("GET", INDEX, 200, credentials={"X-API-Key": right})
    visitor.call("GET", INDEX, 200, credentials=bearer(right))
    visitor.call("GET", INDEX, 401, credentials={"X-API-Key": wrong})
    visitor.call("GET", INDEX, 401, credentials={"Authorization": f"Basic {canaries.fresh('Authorization')}"})
    visitor.call("GET", INDEX, 401, credentials={"Authorization": f"{canaries.fresh('scheme')} x"})
    heare_keys[canaries.fresh("heare token")] = "key_1"
    identity = {"provider": "heare", "subject": "key_1", "scopes": ["files:read"]}
    visitor.call("POST", f"{API}/identities", 201, body=identity, Idempotency_Key="identity-1")
    visitor.call("GET", INDEX, 200, credentials=bearer(canaries.secrets["heare token"]))
    visitor.call("GET", INDEX, 401, credentials=bearer(canaries.fresh("refused heare token")))


def _push_tokens(visitor: Visitor, canaries: Canaries) -> None:
    issued = visitor.call("POST", f"{API}/tokens", 201, body={"name": "second", "scopes": ["files:read"]}).json()
    canaries.secrets["second token"] = text = issued["token"]
    visitor.call("GET", INDEX, 200, credentials=bearer(text))
    visitor.call("PUT", f"{API}/files/no.md", 403, body=b"", credentials=bearer(text), If_None_Match="*")
    visitor.call("GET", f"{API}/index?token={text}", 422)
    visitor.call("DELETE", f"{API}/tokens/{issued['id']}", 204)
    canaries.secrets["mistyped token"] = mistyped = text[:-1] + ("1" if text[-1] == "0" else "0")
    visitor.call("GET", INDEX, 401, credentials=bearer(mistyped))


def _push_cloud(visitor: Visitor, canaries: Canaries) -> None:
    """Tokens as X-API-Key, which only this wire takes, and uploads that cannot arrive."""
    key = {"X-API-Key": canaries.secrets["token"]}
    visitor.call("GET", f"{CLOUD}/backups", 200, credentials=key)
    visitor.call("GET", f"{CLOUD}/backups", 401, credentials={"X-API-Key": canaries.fresh("wrong cloud key")})
    visitor.call("GET", INDEX, 401, credentials=key)
    visitor.call("POST", f"{CLOUD}/sync/upload", 502, credentials=key)
    visitor.call("GET", f"{CLOUD}/sync/status", 500, credentials=key)
    visitor.call("POST", f"{CLOUD}/sync/restore/x?confirm={canaries.fresh('confirmation')}", 403, credentials=key)


def _push_console(hub: LiveHub, visitor: Visitor, canaries: Canaries) -> None:
    password = canaries.fresh("admin password")
    subprocess.run(
        [sys.executable, "-m", "memoryhub", "user", "create", "keeper", "--admin", "--password-stdin",
         "--data", str(hub.data)],
        input=password + "\n", env=hub.environment, cwd=services.ROOT, text=True, check=True, timeout=120,
    )  # fmt: skip
    login = "/admin/login/?next=/admin/"
    wrong = visitor.post_form(login, {"username": "keeper", "password": canaries.fresh("wrong password")})
    assert wrong.status_code == 200
    canaries.refusals.append(wrong.content)
    right = visitor.post_form(login, {"username": "keeper", "password": password})
    assert right.status_code == 302
    canaries.secrets["console session"] = visitor.session()


def _push_webhooks(visitor: Visitor, canaries: Canaries, receiver: str) -> None:
    """One endpoint that takes what it is sent, one that refuses, and addresses that are not taken at all."""
    address = canaries.fresh("webhook address")
    for number, path in enumerate(("taken", "refused")):
        body = {"url": f"{receiver}/{path}?key={address}", "events": ["files.changed", "job.failed"]}
        made = visitor.call("POST", f"{API}/webhooks", 201, body=body).json()
        canaries.secrets[f"webhook secret {number}"] = made["secret"].removeprefix("whsec_")
        visitor.call("POST", f"{API}/webhooks/{made['id']}:test", 202)
        _wait_for_delivery(visitor, made["id"])
    password = canaries.fresh("password in an address")
    blocked = {"url": f"https://user:{password}@hooks.example.org/", "events": ["files.changed"]}
    visitor.call("POST", f"{API}/webhooks", 422, body=blocked)
    visitor.call("POST", f"{API}/webhooks", 400, body=f'{{"url": "{password}'.encode(), Content_Type="application/json")


def _wait_for_delivery(visitor: Visitor, webhook_id: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        # A file of before may be told too.
        deliveries = visitor.call("GET", f"{API}/webhooks/{webhook_id}/deliveries", 200).json()["items"]
        if any(delivery["attempts"] for delivery in deliveries):
            return
        time.sleep(0.1)
    raise AssertionError("no worker tried to deliver the webhook")


def push_at_a_missing_bucket(hub: LiveHub, canaries: Canaries) -> None:
    """Failures of the storage on the way in and out, whose causes know the keys."""
    visitor = Visitor(hub, canaries, canaries.secrets["token"])
    large = canaries.secrets["large file"].encode() * REPEATED
    visitor.call("GET", f"{API}/files/large.md", 503)
    # Other bytes than those that are there: known ones need no storage.
    visitor.call("PUT", f"{API}/files/lost.md", 503, body=large + b"!", If_None_Match="*")


@contextmanager
def watched_broker(hub: LiveHub, canaries: Canaries) -> Iterator[None]:
    """Keeps every command that reaches the broker meanwhile, and every key that is there at the end."""
    heard: list[str] = []
    with redis.Redis.from_url(own_services(hub)["REDIS_URL"], socket_timeout=DEADLINE_S) as client:
        watching = threading.Event()

        def listen() -> None:
            with client.monitor() as monitor:
                watching.set()
                for command in monitor.listen():
                    heard.append(str(command))
                    if END_OF_WATCH in heard[-1]:
                        return

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        assert watching.wait(10)
        try:
            yield
        finally:
            client.echo(END_OF_WATCH)
            listener.join(10)
        keys = [(key, _value(client, key)) for key in client.scan_iter()]
    canaries.places["broker"] = "\n".join([*heard, *map(str, keys)]).encode()


def _value(client: Any, key: bytes) -> object:
    match client.type(key):
        case b"string":
            return client.get(key)
        case b"list":
            return client.lrange(key, 0, -1)
        case b"set":
            return client.smembers(key)
        case b"zset":
            return client.zrange(key, 0, -1, withscores=True)
    return client.hgetall(key)


def collect(hub: LiveHub, canaries: Canaries) -> None:
    """What is left in the metrics, the database, the audit trail, the logs and the refusals."""
    canaries.places["metrics"] = Visitor(hub, canaries, canaries.secrets["token"]).call("GET", "/metrics", 200).content
    address = own_services(hub)["DATABASE_URL"]
    named = os.environ.get(services.TEST_BINDIR_VARIABLE, "")
    programs = find_postgres({**os.environ, **({PG_BINDIR_VARIABLE: named} if named else {})})
    canaries.places["dump"] = subprocess.run(
        [programs.program("pg_dump"), f"--dbname={address.replace('postgres://', 'postgresql://')}"],
        check=True, capture_output=True, timeout=120,
    ).stdout  # fmt: skip
    with psycopg.connect(address) as connection:
        rows = connection.execute("SELECT e::text FROM accounts_auditevent e ORDER BY id").fetchall()
    canaries.places["audit"] = "\n".join(row for (row,) in rows).encode()
    canaries.places["refusals"] = b"\n".join(canaries.refusals)
    logs = sorted((hub.data / "logs").glob("*.log"))
    canaries.places["logs"] = hub.output.read_bytes() + b"".join(log.read_bytes() for log in logs)


def own_services(hub: LiveHub) -> dict[str, str]:
    """The environment of the hub's processes, with the addresses of its servers."""
    return environment_of(hub.data, hub.environment, Path.cwd())


def files_below(directory: Path) -> bytes:
    """Names and bytes of all files."""
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    return b"\n".join(str(path.relative_to(directory)).encode() + b"\n" + path.read_bytes() for path in files)
