"""Which hub a command speaks to, with which token, and where that is kept."""

import json
import re
import shutil
import stat
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from memoryhub.cli.connecting import Connection
from memoryhub.cli.profiles import Profile
from tests.client.shell import Shell
from tests.live import LiveHub


@pytest.fixture
def keyring(shell: Shell) -> Path:
    """Gives the shell's Python a keyring, which keeps its passwords in this file."""
    kept = shell.home / "keyring.json"
    fake = Path(__file__).parents[1] / "fakes" / "keyrings"
    shell.environment |= {"PYTHONPATH": f"{shell.environment['PYTHONPATH']}:{fake}", "FAKE_KEYRING": str(kept)}
    return kept


def test_a_profile_stands_in_for_options(shell: Shell) -> None:
    shell.forget_environment()
    token, url, slug = shell.workspace.token, shell.workspace.hub_url, shell.workspace.slug
    before = shell.run("ls")

    wrong = shell.run("login", "--url", url, "--workspace", slug, "--token", "mh_nobody")
    login = shell.login()
    listed = shell.run("ls")

    assert (before.returncode, before.stderr.split(":")[0]) == (2, "There is no token for http")
    assert wrong.returncode == 2
    assert (login.returncode, token in login.stdout + login.stderr) == (0, False)
    assert login.stdout.endswith(f"{url}, workspace {slug}: 0 files. The token is kept in {shell.profiles}.\n")
    assert stat.S_IMODE(shell.profiles.stat().st_mode) == 0o600
    assert (listed.returncode, listed.stdout) == (0, "")


@pytest.mark.parametrize("by", ["option", "environment"])
def test_a_profiles_token_goes_to_no_other_hub(shell: Shell, httpserver: HTTPServer, by: str) -> None:
    shell.forget_environment()
    shell.login()
    other = httpserver.url_for("")
    if by == "environment":
        shell.environment["MEMORYHUB_URL"] = other

    listed = shell.run("ls", *(("--url", other) if by == "option" else ()))
    login = shell.run("login", *(("--url", other) if by == "option" else ()), text="")

    assert (listed.returncode, listed.stderr.split(":")[0]) == (2, "There is no token for http")
    assert login.returncode != 0
    assert httpserver.log == []


def test_the_environments_token_goes_to_no_other_hub(shell: Shell, httpserver: HTTPServer) -> None:
    listed = shell.run("ls", "--url", httpserver.url_for(""))
    login = shell.run("login", "--url", httpserver.url_for(""), text="")

    assert (listed.returncode, listed.stderr.split(":")[0]) == (2, "There is no token for http")
    assert login.returncode != 0
    assert httpserver.log == []


def test_a_profiles_workspace_is_none_of_another_hubs(shell: Shell, httpserver: HTTPServer) -> None:
    shell.forget_environment()
    shell.login()

    shell.run("ls", "--url", httpserver.url_for(""), "--token", "mh_other")

    assert [request.path for request, _ in httpserver.log] == ["/api/v1/workspaces/default/index"]


def test_a_profile_serves_its_own_address_however_it_is_given(shell: Shell) -> None:
    shell.forget_environment()
    shell.login()

    listed = shell.run("ls", "--url", f"{shell.workspace.hub_url}/")

    assert (listed.returncode, listed.stderr) == (0, "")


def test_a_profile_that_is_named_comes_before_the_environment(shell: Shell, live_hub: LiveHub) -> None:
    shell.login("--profile", "work")
    shell.run("put", "-", "a.md", text="a")
    other = live_hub.workspace()
    shell.environment |= {"MEMORYHUB_TOKEN": other.token, "MEMORYHUB_WORKSPACE": other.slug}

    assert shell.run("ls").stdout == ""
    assert shell.run("ls", "--profile", "work").stdout.endswith("a.md\n")


def test_a_profile_that_is_not_there_is_refused(shell: Shell) -> None:
    put = shell.run("put", "-", "a.md", "--profile", "work", text="a")

    assert put.returncode == 2
    assert put.stderr == "There is no profile work. `memoryhub login --profile work` makes it.\n"
    assert shell.run("ls").stdout == ""


DAMAGED = [
    "",
    "{",
    "[]",
    '{"default": {"address": "x"}}',
    '{"default": 1}',
    '{"default": {"url": 1, "workspace": "x"}}',
]


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_profiles_are_told_and_not_read_without_need(shell: Shell, content: str) -> None:
    shell.profiles.parent.mkdir(parents=True)
    shell.profiles.write_text(content)
    given = shell.run("ls")
    shell.forget_environment()

    listed = shell.run("ls")

    assert (given.returncode, given.stderr) == (0, "")
    assert listed.returncode == 2
    assert listed.stderr == f"{shell.profiles} is damaged: mend it, or log in again, which keeps it aside.\n"
    assert shell.profiles.read_text() == content


@pytest.mark.parametrize("content", DAMAGED)
def test_a_login_keeps_damaged_profiles_aside(shell: Shell, content: str) -> None:
    shell.forget_environment()
    shell.profiles.parent.mkdir(parents=True)
    shell.profiles.write_text(content)

    wrong = shell.run("login", "--url", shell.workspace.hub_url, "--token", "mh_nobody")
    kept = shell.profiles.read_text()
    login = shell.login()
    listed = shell.run("ls")

    (aside,) = shell.profiles.parent.glob("profiles.damaged-*.json")
    assert (wrong.returncode, kept) == (2, content)
    assert (login.returncode, listed.returncode) == (0, 0)
    assert login.stderr == f"The profiles so far could not be read; they are kept in {aside}.\n"
    assert aside.read_text() == content


def test_profiles_that_cannot_be_opened_are_told(shell: Shell) -> None:
    shell.forget_environment()
    shell.profiles.mkdir(parents=True)

    listed, login = shell.run("ls"), shell.login()

    assert [each.returncode for each in (listed, login)] == [2, 2]
    assert listed.stderr.startswith("The profiles cannot be read: [Errno 21]")
    assert login.stderr == listed.stderr


def test_a_login_that_can_ask_nobody_says_so(shell: Shell) -> None:
    shell.forget_environment()

    login = shell.run("login", "--url", shell.workspace.hub_url, text="")

    assert login.returncode == 2
    assert login.stderr == (
        f"There is no token for {shell.workspace.hub_url}, and nobody at a terminal to ask: "
        "give it on standard input.\n"
    )
    assert not shell.profiles.exists()


def test_an_address_that_can_be_none_is_told(shell: Shell) -> None:
    listed = shell.run("ls", "--url", "hub.example.org", "--token", "mh_any")

    assert listed.returncode == 2
    assert listed.stderr == "'hub.example.org' is no hub's address, such as https://hub.example.org. (bad_url)\n"


def test_only_its_owner_reads_a_profile_whatever_lay_there_before(shell: Shell) -> None:
    shell.forget_environment()
    shell.profiles.parent.mkdir(parents=True)
    for left in (shell.profiles, shell.profiles.with_suffix(".part")):
        left.write_text("{}")
        left.chmod(0o644)

    login = shell.login()

    assert login.returncode == 0
    assert json.loads(shell.profiles.read_text())["default"]["token"] == shell.workspace.token
    assert stat.S_IMODE(shell.profiles.stat().st_mode) == 0o600


def test_a_keyring_keeps_the_token_and_the_file_does_not(shell: Shell, keyring: Path) -> None:
    shell.forget_environment()

    login = shell.login()
    listed = shell.run("ls")

    assert login.stdout.endswith("The token is kept in the system's keyring.\n")
    assert json.loads(keyring.read_text()) == {"memoryhub default": shell.workspace.token}
    assert shell.workspace.token not in shell.profiles.read_text()
    assert (listed.returncode, listed.stderr) == (0, "")


def test_a_locked_keyring_is_told(shell: Shell, keyring: Path) -> None:
    shell.forget_environment()
    shell.login()
    keyring.unlink()
    keyring.mkdir()

    listed = shell.run("ls")
    shutil.rmtree(shell.profiles.parent)
    login = shell.login()

    assert [each.returncode for each in (listed, login)] == [2, 2]
    assert listed.stderr.startswith("The system's keyring does not open: Failed to unlock the collection!")
    assert login.stderr.endswith(listed.stderr)
    assert not shell.profiles.exists()


def test_what_holds_a_token_does_not_show_it() -> None:
    shown = repr((Connection("http://hub", "mh_secret", "notes"), Profile("http://hub", "notes", "mh_secret")))

    assert "mh_secret" not in shown


def test_a_token_that_can_be_none_is_not_shown(shell: Shell) -> None:
    shell.environment["MEMORYHUB_TOKEN"] = "mh_sécret"

    listed = shell.run("ls")

    assert listed.returncode == 2
    assert listed.stderr == "The hub does not know the token: A token is printable ASCII without spaces.\n"


def test_an_address_that_leads_to_another_is_told(shell: Shell, httpserver: HTTPServer) -> None:
    there = {"Location": "https://hub.example.org/"}
    httpserver.expect_request(re.compile("")).respond_with_response(Response(status=301, headers=there))

    listed = shell.run("ls", "--url", httpserver.url_for(""), "--token", shell.workspace.token)

    assert listed.returncode == 2
    assert listed.stderr == "The hub is not at this address, which points to https://hub.example.org/.\n"
