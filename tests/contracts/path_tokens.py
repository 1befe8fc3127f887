"""Tokens in the path of a running hub, right and wrong, in every place where they may be sent or fail."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg

from apps.accounts.tokens import ID_LENGTH, SECRET_LENGTH, mint
from tests.contracts.canaries import API, SLUG, Canaries, Visitor, own_services
from tests.live import LiveHub

COORDINATOR = f"/w/{SLUG}/coordinator"
SUMMARY = {"agent_id": "agent", "timestamp": "2026-02-01", "topic_counts": {"topic": 1}}
PUSHES_A_MINUTE = 20

_EXPIRE = "UPDATE accounts_apitoken SET expires_at = now() - interval '1 minute' WHERE public_id = %s"
_TAKE_AWAY = "ALTER FUNCTION federation_push_v1 RENAME TO federation_push_gone"
_PUT_BACK = "ALTER FUNCTION federation_push_gone RENAME TO federation_push_v1"


def push_path_tokens(hub: LiveHub, canaries: Canaries) -> None:
    """Ends at the limit of pushes, so that nobody pushes after it."""
    visitor = Visitor(hub, canaries, canaries.secrets["token"])
    with psycopg.connect(own_services(hub)["DATABASE_URL"], autocommit=True) as database:
        _refuse_tokens(visitor, canaries, database)
        text = _issued(visitor, canaries, "path token")
        _push_and_pull(visitor, text)
        _send_elsewhere(hub, visitor, canaries, text)
        with _without_push_function(database):
            _push(visitor, text, 500)
        _reach_the_limit(hub, canaries, text)


def _issued(visitor: Visitor, canaries: Canaries, name: str) -> str:
    """A path token. Its secret part is looked for alone, since the part before it is public."""
    text: str = visitor.call("POST", f"{API}/tokens", 201, body={"kind": "path"}).json()["token"]
    _watch(canaries, name, text)
    return text


def _watch(canaries: Canaries, name: str, text: str) -> None:
    canaries.secrets[name] = text.rpartition("_")[2][:SECRET_LENGTH]


def _push(visitor: Visitor, text: str, expected: int, **changes: Any) -> None:
    summary = {**SUMMARY, **changes}
    visitor.call("POST", f"{COORDINATOR}/t/{text}/push", expected, body={"summary": summary}, credentials={})


def _push_and_pull(visitor: Visitor, text: str) -> None:
    base = f"{COORDINATOR}/t/{text}"
    for slash in ("", "/"):
        _push(visitor, text, 200, agent_id=f"agent{slash}")
        visitor.call("GET", f"{base}/pull{slash}", 200, credentials={})
    _push(visitor, text, 400, timestamp="soon")
    _push(visitor, text, 422, fact_hashes=[1])
    body = b'{"summary": '
    visitor.call("POST", f"{base}/push", 422, body=body, credentials={}, Content_Type="application/json")
    for method, path in (("GET", "push"), ("DELETE", "push"), ("POST", "pull"), ("BREW", "pull")):
        visitor.call(method, f"{base}/{path}", 405, credentials={}, Content_Length="0")
    visitor.call("GET", f"{base}/other", 404, credentials={})
    visitor.call("GET", f"{base}/pull", 400, credentials={}, If_None_Match=",")


def _send_elsewhere(hub: LiveHub, visitor: Visitor, canaries: Canaries, text: str) -> None:
    """In other spellings of the address, in wrong addresses, under a wrong name, in headers and in a query."""
    encoded = "".join(f"%{ord(character):02X}" for character in text)
    visitor.call("GET", f"{COORDINATOR}/t/{encoded}/pull", 200, credentials={})
    visitor.call("GET", f"{COORDINATOR}/%74/{text}/pull", 200, credentials={})
    for base in (f"{COORDINATOR}/%2574", COORDINATOR, f"/w/{SLUG}/coordinators/t", "/t", "/docs"):
        visitor.call("GET", f"{base}/{text}/pull", 404, credentials={})
    visitor.call("PUT", f"{API}/files/{text}", 428, body=b"")
    visitor.call("GET", f"{COORDINATOR}/t/{text}/pull", 400, credentials={}, Host="not a name")
    visitor.call("GET", f"{COORDINATOR}/t/{text}/pull%00", 400, credentials={})
    visitor.call("GET", f"{COORDINATOR}/pull?token={text}", 401, credentials={})
    visitor.call("GET", f"{COORDINATOR}/pull", 401, credentials={"Authorization": f"Bearer {text}"})
    visitor.call("GET", f"{COORDINATOR}/pull", 401, credentials={}, X_API_Key=text)
    referer = f"{hub.url}{COORDINATOR}/t/{text}/pull"
    visitor.call("GET", f"{COORDINATOR}/t/{text}/pull", 200, credentials={}, Referer=referer, User_Agent=text)
    visitor.call("GET", f"{COORDINATOR}/pull", 401, credentials={}, Referer=referer)
    visitor.call("POST", "/admin/login/", 403, body=b"", credentials={}, Referer=referer)


def _refuse_tokens(visitor: Visitor, canaries: Canaries, database: psycopg.Connection[Any]) -> None:
    """Wrong, mistyped, unknown, revoked and expired ones."""
    expired, revoked = (_issued(visitor, canaries, name) for name in ("expired path token", "revoked path token"))
    public_id = revoked.split("_")[1]
    assert len(public_id) == ID_LENGTH
    database.execute(_EXPIRE, (expired.split("_")[1],))
    _push(visitor, revoked, 200)
    (token,) = (
        each for each in visitor.call("GET", f"{API}/tokens", 200).json()["items"] if public_id in json.dumps(each)
    )
    visitor.call("DELETE", f"{API}/tokens/{token['id']}", 204)
    mistyped, unknown = revoked[:-1] + ("1" if revoked[-1] == "0" else "0"), mint("path").text
    _watch(canaries, "unknown path token", unknown)
    for text in (expired, revoked, mistyped, unknown, canaries.fresh("wrong path token")):
        _push(visitor, text, 401)
        visitor.call("GET", f"{COORDINATOR}/t/{text}/pull", 401, credentials={})
        visitor.call("GET", f"{COORDINATOR}/t/{text}", 401, credentials={})


@contextmanager
def _without_push_function(database: psycopg.Connection[Any]) -> Iterator[None]:
    """A hub whose database is not the one that it was written for: its own fault, whatever is sent."""
    database.execute(_TAKE_AWAY)
    try:
        yield
    finally:
        database.execute(_PUT_BACK)


def _reach_the_limit(hub: LiveHub, canaries: Canaries, text: str) -> None:
    for _ in range(PUSHES_A_MINUTE + 1):
        answer = httpx.post(
            f"{hub.url}{COORDINATOR}/t/{text}/push", json={"summary": SUMMARY}, timeout=60, trust_env=False
        )
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            canaries.refusals += [answer.content, str(answer.headers.multi_items()).encode()]
            return
    raise AssertionError("pushes were not limited")
