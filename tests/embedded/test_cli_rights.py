"""Members, outside identities, and tokens for members, by the commands of the operator on a running hub."""

import json
from typing import Any

import httpx
import pytest

from tests.live import LiveHub, LiveWorkspace


@pytest.fixture(scope="module")
def hub(live_hub: LiveHub) -> LiveHub:
    return live_hub


def done(hub: LiveHub, *arguments: str) -> str:
    """What a command prints that does what it is asked for."""
    ran = hub.command(*arguments)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def called(hub: LiveHub, slug: str, token: str, method: str, path: str, **arguments: Any) -> httpx.Response:
    with LiveWorkspace(hub.url, slug, token).client() as client:
        return client.request(method, path, **arguments)


@pytest.fixture(scope="module")
def ada(hub: LiveHub) -> str:
    done(hub, "user", "create", "ada-of-rights")
    return "ada-of-rights"


def members(hub: LiveHub, slug: str) -> dict[str, str]:
    return {row["username"]: row["role"] for row in json.loads(done(hub, "member", "list", slug, "--json"))}


def test_a_member_is_set_listed_and_removed(hub: LiveHub, ada: str) -> None:
    slug = hub.workspace().slug

    assert done(hub, "member", "set", slug, ada, "viewer") == ""
    assert done(hub, "member", "set", slug, ada, "admin") == ""
    assert members(hub, slug) == {ada: "admin"}
    assert [word for word in done(hub, "member", "list", slug).split() if word in (ada, "admin")] == [ada, "admin"]
    assert done(hub, "member", "remove", slug, ada) == ""
    assert members(hub, slug) == {}


def test_a_members_token_is_bound_by_the_role(hub: LiveHub, ada: str) -> None:
    slug = hub.workspace().slug
    done(hub, "member", "set", slug, ada, "viewer")
    token = done(hub, "token", "issue", slug, "--user", ada, "--name", "hers").strip()

    written = called(hub, slug, token, "PUT", "/files/a", content=b"x", headers={"If-None-Match": "*"})
    me = httpx.get(f"{hub.url}/api/v1/me", headers={"Authorization": f"Bearer {token}"}, trust_env=False).json()

    assert (written.status_code, written.json()["code"]) == (403, "scope_missing")
    assert (me["user"], [each["role"] for each in me["workspaces"]]) == (ada, ["viewer"])
    rows = json.loads(done(hub, "token", "list", slug, "--json"))
    assert [row["user"] for row in rows if row["name"] == "hers"] == [ada]


def test_a_token_is_granted_a_second_workspace(hub: LiveHub) -> None:
    first, second = hub.workspace(), hub.workspace()
    assert called(hub, second.slug, first.token, "GET", "/changes").status_code == 404

    assert done(hub, "token", "grant", first.token.split("_")[1], second.slug) == ""
    assert done(hub, "token", "grant", first.token, second.slug) == ""

    assert called(hub, second.slug, first.token, "GET", "/changes").status_code == 200


def test_zero_days_are_for_ever(hub: LiveHub) -> None:
    slug = hub.workspace().slug

    done(hub, "token", "issue", slug, "--name", "for ever", "--expires-days", "0")

    rows = json.loads(done(hub, "token", "list", slug, "--json"))
    assert [row["expires_at"] for row in rows if row["name"] == "for ever"] == [None]


def test_an_identity_is_added_listed_and_removed(hub: LiveHub) -> None:
    slug = hub.workspace().slug

    assert done(hub, "identity", "add", slug, "heare", "key_a", "--scope", "files:read", "--user-folder", "ada") == ""
    [row] = json.loads(done(hub, "identity", "list", slug, "--json"))
    assert (row["provider"], row["subject"], row["scopes"], row["user_folder"]) == (
        "heare",
        "key_a",
        ["files:read"],
        "ada",
    )
    assert "key_a" in done(hub, "identity", "list", slug)
    assert done(hub, "identity", "remove", slug, "heare", "key_a") == ""
    assert json.loads(done(hub, "identity", "list", slug, "--json")) == []


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["member", "set", "no-such", "ada-of-rights", "viewer"], "There is no workspace of this name"),
        (["member", "set", "default", "nobody-here", "viewer"], "There is no such user."),
        (["member", "set", "default", "ada-of-rights", "king"], "Roles are: viewer editor admin owner"),
        (["member", "remove", "default", "ada-of-rights"], "There is no such member."),
        (["token", "issue", "default", "--user", "ada-of-rights"], "The user is not a member of this workspace."),
        (["token", "issue", "default", "--user", "nobody-here"], "There is no such user."),
        (["token", "issue", "default", "--expires-days", "4000"], "Between 1 and 3650 days.\n"),
        (["token", "grant", "nothing", "default"], "There is no token with this id"),
        (["identity", "add", "default", "google", "key_a"], "Providers are: heare github"),
        (["identity", "add", "default", "heare", "key_a", "--scope", "operator:read"], "operator:read is about the "),
        (["identity", "remove", "default", "heare", "key_a"], "There is no such identity."),
        (["user", "create", "bob-of-rights", "--workspace", "default", "--role", "king"], "Roles are: viewer editor "),
        (["user", "password", "bob-of-rights"], "There is no user of this name."),
    ],
)
def test_a_refusal_is_a_sentence_and_exit_code_1(hub: LiveHub, ada: str, arguments: list[str], sentence: str) -> None:
    refused = hub.command(*arguments)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(sentence)
    assert refused.stderr.count("\n") == 1
